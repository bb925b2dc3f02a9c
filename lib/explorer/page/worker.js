// Runs the networks away from the page, so that it never stands still. One task after the other, in the order asked.
import * as ort from "./ort.js";

ort.env.wasm.numThreads = 1; // threads would ask the server for special headers
ort.env.wasm.wasmPaths = { wasm: new URL("ort.wasm", import.meta.url).href };

const network = (name) =>
  ort.InferenceSession.create(new URL(`${name}.onnx`, import.meta.url).href, { executionProviders: ["wasm"] });
const phi = network("phi"), decoder = network("decoder");
const judge = decoder.then(() => network("judge")); // not in the way of the first picture

async function run(session, data, shape) {
  const { out } = await (await session).run({ in: new ort.Tensor("float32", data, shape) });
  return out.data;
}

const tasks = {
  // Labels (A) to RGBA pixels. With a person {z, labels, step}: Decoder(z + step · (Φ(a') − Φ(a))), else Decoder(Φ(a')).
  async face({ labels, person }) {
    const z = await run(phi, labels, [1, labels.length]);
    if (person) {
      const type = await run(phi, person.labels, [1, labels.length]);
      z.forEach((value, i) => (z[i] = person.z[i] + person.step * (value - type[i])));
    }
    return pixels(await run(decoder, z, [1, z.length]));
  },

  // RGBA pixels, as they are drawn, to what the judge reads: a probability for each attribute.
  async reading({ rgba }) {
    const area = rgba.length / 4;
    const x = new Float32Array(3 * area);
    for (let i = 0; i < area; i++)
      for (let channel = 0; channel < 3; channel++) x[channel * area + i] = rgba[4 * i + channel] / 127.5 - 1;
    const logits = await run(judge, x, [1, 3, Math.sqrt(area), Math.sqrt(area)]);
    return logits.map((logit) => 1 / (1 + Math.exp(-logit)));
  },
};

// Planes in [-1, 1] to interleaved RGBA; the array clamps, and rounds halves to even as torch does.
function pixels(x) {
  const area = x.length / 3;
  const rgba = new Uint8ClampedArray(4 * area).fill(255);
  for (let i = 0; i < area; i++)
    for (let channel = 0; channel < 3; channel++) rgba[4 * i + channel] = (x[channel * area + i] + 1) * 127.5;
  return rgba;
}

let queue = Promise.resolve();
onmessage = ({ data: { id, task, input } }) => {
  const answer = queue.then(() => tasks[task](input));
  queue = answer.catch(() => {});
  answer.then(
    (result) => postMessage({ id, result }),
    (error) => postMessage({ id, error: String(error) }),
  );
};
