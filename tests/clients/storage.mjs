// node storage.mjs URL KEY.json: what a shop's Node back end does with Cloud Storage.
import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { Storage } from '@google-cloud/storage';

const [, , apiEndpoint, keyFile] = process.argv;
const retryOptions = { autoRetry: false };
const storage = new Storage({ apiEndpoint, projectId: 'p', keyFilename: keyFile, retryOptions });
const plain = new Storage({ apiEndpoint, projectId: 'p', retryOptions });
const [bucket] = await plain.createBucket('node');
const text = async (file, options) => (await file.download(options))[0].toString();

// uploads: streamed (bytes 0-*/*), in one, in chunks, gzip'd
const file = (name) => bucket.file(name);
const big = Buffer.alloc(700_000, 'perkie ');
await file('a.txt').save('hello');
await file('b.txt').save('hello', { resumable: false });
await file('empty.txt').save('');
await file('chunks.bin').save(big, { chunkSize: 256 * 1024, validation: 'crc32c' });
await file('known.bin').save(big, { metadata: { contentLength: big.length } });
await file('gz.txt').save('hello '.repeat(100), { gzip: true, metadata: { contentType: 'text/plain' } });
assert.equal(await text(file('a.txt')), 'hello');
assert.equal(await text(file('empty.txt')), '');
assert.deepEqual((await file('chunks.bin').download())[0], big);
assert.deepEqual((await file('known.bin').download())[0], big);
assert.equal(await text(file('a.txt'), { start: 1, end: 3 }), 'ell');
assert.equal(await text(file('gz.txt')), 'hello '.repeat(100));
const [raw] = await file('gz.txt').download({ decompress: false });
assert.deepEqual([...raw.subarray(0, 2)], [...gzipSync('').subarray(0, 2)]);

// metadata, preconditions, holds
await file('a.txt').setMetadata({ metadata: { pet: 'cat' }, contentDisposition: 'attachment' });
const [metadata] = await file('a.txt').getMetadata();
assert.equal(metadata.metadata.pet, 'cat');
const refused = (promise, code) => assert.rejects(promise, (error) => Number(error.code ?? error.status) === code);
await refused(file('a.txt').save('again', { preconditionOpts: { ifGenerationMatch: 0 } }), 412);
await file('a.txt').setMetadata({ temporaryHold: true });
await refused(file('a.txt').delete(), 403);
await refused(file('a.txt').save('again'), 403);
await file('a.txt').setMetadata({ temporaryHold: false });
await refused(file('a.txt').makePublic(), 501);
await refused(file('public.txt').save('x', { predefinedAcl: 'publicRead' }), 501);

// copy, move, compose, list, delete
await file('a.txt').copy(file('dir/copy.txt'));
await file('dir/copy.txt').move('dir/moved.txt');
const [all] = await bucket.combine(['a.txt', 'b.txt'], 'both.txt');
assert.equal(await text(all), 'hellohello');
const [both] = await all.getMetadata();
assert.deepEqual([both.md5Hash, both.componentCount], [undefined, 2]);
const [files, , page] = await bucket.getFiles({ delimiter: '/', autoPaginate: false });
assert.deepEqual(page.prefixes, ['dir/']);
assert.ok(files.some((each) => each.name === 'both.txt'));

// signed URLs, both versions, and a resumable one; a forged one is refused
for (const version of ['v2', 'v4']) {
  const expires = Date.now() + 60_000;
  const signed = storage.bucket('node').file('signed ü.txt');
  const sign = async (action, extra) => (await signed.getSignedUrl({ version, action, expires, ...extra }))[0];
  const contentType = 'text/plain';
  const put = await fetch(await sign('write', { contentType }), {
    method: 'PUT', body: version, headers: { 'content-type': contentType },
  });
  assert.equal(put.status, 200, await put.text());
  const url = await sign('read');
  assert.equal(await (await fetch(url)).text(), version);
  const resumable = await sign('resumable', { contentType });
  const started = await fetch(resumable, {
    method: 'POST', headers: { 'content-type': contentType, 'x-goog-resumable': 'start' },
  });
  assert.equal(started.status, 201, await started.text());
  const sent = await fetch(started.headers.get('location'), { method: 'PUT', body: 'resumed' });
  assert.equal(sent.status, 200);
  assert.equal(await (await fetch(url)).text(), 'resumed');
  assert.equal((await fetch(url.replace('signed', 'forged'))).status, 403);
}
// the address from the environment, as the emulator prints it
process.env.STORAGE_EMULATOR_HOST = apiEndpoint;
const told = new Storage({ projectId: 'p', retryOptions }).bucket('node');
await told.file('env.txt').save('from the environment');
assert.equal(await text(told.file('env.txt')), 'from the environment');
await told.file('env.txt').delete();

await bucket.deleteFiles({ force: true });
await bucket.delete();
console.log('ok');
