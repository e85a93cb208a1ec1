// Finds a number so that SHA-256("<seed>.<number>") begins with so many zero bits. One block of SHA-256 is enough:
// the text is shorter than 56 bytes. crypto.subtle would be slower here: it is asynchronous for each hash.
const K = new Int32Array(64);
const H = new Int32Array(8);
for (let n = 2, i = 0; i < 64; n++) {
  let prime = true;
  for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
  if (!prime) continue;
  const fraction = (root) => ((root - Math.floor(root)) * 4294967296) | 0;
  if (i < 8) H[i] = fraction(Math.sqrt(n));
  K[i++] = fraction(Math.cbrt(n));
}
const W = new Int32Array(64);
const turn = (x, n) => (x >>> n) | (x << (32 - n));

function firstWord(text) {
  W.fill(0, 0, 16);
  for (let i = 0; i < text.length; i++) W[i >> 2] |= text.charCodeAt(i) << (24 - (i & 3) * 8);
  W[text.length >> 2] |= 0x80 << (24 - (text.length & 3) * 8);
  W[15] = text.length * 8;
  for (let i = 16; i < 64; i++) {
    const x = W[i - 15], y = W[i - 2];
    W[i] = (W[i - 16] + W[i - 7] + (turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)) + (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10))) | 0;
  }
  let [a, b, c, d, e, f, g, h] = H;
  for (let i = 0; i < 64; i++) {
    const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + W[i]) | 0;
    const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g; g = f; f = e; e = (d + one) | 0; d = c; c = b; b = a; a = (one + two) | 0;
  }
  return (a + H[0]) | 0;
}

onmessage = (event) => {
  const { seed, bits } = event.data;
  const began = Date.now();
  let number = 0;
  while (Math.clz32(firstWord(`${seed}.${number}`)) < bits) number++;
  // The server takes no solution sooner than 300 ms after it asked.
  setTimeout(() => postMessage(String(number)), Math.max(0, 400 - (Date.now() - began)));
};
