// Long work for node: many small objects, buffers, the pools of libuv, worker threads. Prints digests.
const crypto = require('crypto');
const zlib = require('zlib');
const fs = require('fs');
const os = require('os');
const path = require('path');
const { execFileSync } = require('child_process');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');

function numbers(seed) {
  let state = seed >>> 0;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0);
}

function sha(data) {
  return crypto.createHash('sha256').update(data).digest('hex').slice(0, 32);
}

// Buffers above the pool's size are malloc's; kept in a ring so that they are freed out of order.
function buffers(seed, rounds) {
  const next = numbers(seed);
  const ring = new Array(500).fill(null);
  const total = crypto.createHash('sha256');
  for (let i = 0; i < rounds; i++) {
    const place = next() % ring.length;
    if (ring[place]) total.update(ring[place]);
    const size = 1 + (next() >>> 8) % (i % 100 === 0 ? 2000000 : 20000);
    const fresh = Buffer.alloc(size); // calloc
    if (fresh.includes(1)) throw new Error('a new buffer is not zero');
    ring[place] = fresh.fill(next() & 255);
  }
  for (const buffer of ring) if (buffer) total.update(buffer);
  return total.digest('hex').slice(0, 32);
}

function packed(seed) {
  const next = numbers(seed);
  const words = [];
  for (let i = 0; i < 60000; i++) words.push('w' + next() % 5000);
  const text = Buffer.from(words.join(' '));
  const results = [];
  for (const [name, pack, unpack] of [['gzip', zlib.gzipSync, zlib.gunzipSync],
    ['deflate', zlib.deflateRawSync, zlib.inflateRawSync], ['brotli', null, zlib.brotliDecompressSync]]) {
    const small = pack ? pack(text) : zlib.brotliCompressSync(text,
      { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 5 } });
    if (!unpack(small).equals(text)) throw new Error(`${name} does not give back what it got`);
    results.push(`${name} ${small.length} ${sha(small)}`);
  }
  return results.join('\n');
}

if (!isMainThread) {
  parentPort.postMessage([workerData, buffers(workerData, 3000), packed(workerData)].join('\n'));
} else {
  main();
}

function objects() {
  const next = numbers(1);
  const counts = new Map();
  const records = [];
  for (let i = 0; i < 150000; i++) {
    const word = 'key' + next() % 20011;
    counts.set(word, (counts.get(word) || 0) + 1);
    if (i % 3 === 0) records.push({ id: i, word, tags: [word, i % 7], nested: { a: i / 3, b: [null, true] } });
  }
  const text = JSON.stringify(records);
  const again = JSON.parse(text);
  if (JSON.stringify(again) !== text) throw new Error('JSON changed');
  const sorted = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  return `${text.length} ${sha(text)} ${sha(JSON.stringify(sorted))}`;
}

function texts() {
  let text = '';
  for (let i = 0; i < 200000; i++) text += String.fromCodePoint(0x41 + i * 7919 % 500);
  const parts = text.split(/[AEIOU]/u).map((part) => part.normalize('NFD').toUpperCase());
  return `${parts.length} ${sha(parts.join('|').replace(/(.)\1/gu, '<$1>'))}`;
}

// libuv's thread pool: allocated in one thread, freed in another.
async function pools(folder) {
  const work = [];
  for (let i = 0; i < 24; i++) {
    work.push(new Promise((done, fail) => crypto.pbkdf2(`word${i}`, 'salt', 2000, 4000, 'sha512',
      (error, key) => (error ? fail(error) : done(sha(key))))));
    work.push(new Promise((done, fail) => zlib.deflate(Buffer.alloc(300000, i), (error, data) =>
      (error ? fail(error) : done(`${data.length}`)))));
    work.push((async () => {
      const file = path.join(folder, `file${i}`);
      await fs.promises.writeFile(file, Buffer.alloc(100000 + i, i));
      return sha(await fs.promises.readFile(file));
    })());
  }
  return sha((await Promise.all(work)).join());
}

async function main() {
  console.log(objects());
  console.log(texts());
  console.log(buffers(7, 6000));
  const workers = [1, 2, 3, 4].map((seed) => new Promise((done, fail) => {
    new Worker(__filename, { workerData: seed }).on('message', done).on('error', fail);
  }));
  console.log((await Promise.all(workers)).join('\n'));
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'node'));
  console.log(await pools(folder));
  fs.rmSync(folder, { recursive: true });
  const child = execFileSync(process.execPath, ['-e', 'console.log("x".repeat(3000000).length)']);
  console.log(`a child says ${child}`);
}
