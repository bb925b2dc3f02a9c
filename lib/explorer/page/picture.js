// Faces on canvases, and the PNG file that says of itself that it is synthetic.

// Draw RGBA pixels on a canvas of their own size; style sheets enlarge it.
export function draw(canvas, rgba, description) {
  const side = Math.sqrt(rgba.length / 4);
  if (canvas.width !== side || canvas.height !== side) canvas.width = canvas.height = side; // else the page is laid out anew
  canvas.getContext("2d").putImageData(new ImageData(rgba, side), 0, 0);
  canvas.setAttribute("aria-label", description);
}

// A PNG of the canvas, enlarged above a band that says "synthetic", as a Blob; `texts` (keyword -> text) go in as well.
export async function png(canvas, texts) {
  const side = 512, band = 40;
  const large = document.createElement("canvas");
  [large.width, large.height] = [side, side + band];
  const context = large.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(canvas, 0, 0, side, side);
  context.fillStyle = "#000";
  context.fillRect(0, side, side, band);
  context.fillStyle = "#fff";
  context.font = "20px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.fillText("synthetic: made from labels, shows nobody", 14, side + band / 2);
  const blob = await new Promise((resolve) => large.toBlob(resolve, "image/png"));
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const head = 8 + 25; // signature and IHDR, which has to come first
  const chunks = Object.entries(texts).map(([keyword, text]) => chunk("tEXt", `${keyword}\0${text}`));
  return new Blob([bytes.slice(0, head), ...chunks, bytes.slice(head)], { type: "image/png" });
}

// One chunk of a PNG file: length, type, Latin-1 text, and the check over both.
function chunk(type, text) {
  const body = Uint8Array.from(type + text, (letter) => letter.charCodeAt());
  const whole = new Uint8Array(body.length + 8);
  const view = new DataView(whole.buffer);
  view.setUint32(0, body.length - 4);
  whole.set(body, 4);
  view.setUint32(body.length + 4, crc32(body));
  return whole;
}

function crc32(bytes) {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}
