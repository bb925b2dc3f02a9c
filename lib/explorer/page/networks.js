// The networks as functions that return promises; a worker does the work.
const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
const waiting = new Map();
let count = 0;

worker.onmessage = ({ data: { id, result, error } }) => {
  const { resolve, reject } = waiting.get(id);
  waiting.delete(id);
  if (error) reject(new Error(error));
  else resolve(result);
};
worker.onerror = () => {
  for (const { reject } of waiting.values()) reject(new Error("the networks could not be started"));
  waiting.clear();
};

function ask(task, input) {
  const id = count++;
  worker.postMessage({ id, task, input });
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
}

// Labels (an array of A numbers, mostly 0 or 1) and a person or null -> RGBA pixels.
export const face = (labels, person) =>
  ask("face", {
    labels: Float32Array.from(labels),
    person: person && { ...person, labels: Float32Array.from(person.labels), z: Float32Array.from(person.z) },
  });

// RGBA pixels -> what the judge reads, a probability for each attribute.
export const reading = (rgba) => ask("reading", { rgba });
