// node gemini.mjs URL PHOTO: what a shop's Node back end does with Gemini, in both versions of the API.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { GoogleGenAI } from '@google/genai';

const [, , baseUrl, photo] = process.argv;
const model = 'gemini-nano-banana-2.1';
const inlineData = { mimeType: 'image/png', data: readFileSync(photo).toString('base64') };
const pictures = (response) =>
  (response.candidates?.[0]?.content?.parts ?? []).filter((part) => part.inlineData && !part.thought);
const jpeg = (part) => Buffer.from(part.inlineData.data, 'base64').subarray(0, 3).toString('hex') === 'ffd8ff';

for (const apiVersion of ['v1', 'v1beta']) {
  const ai = new GoogleGenAI({ apiKey: 'any', httpOptions: { baseUrl, apiVersion } });
  const names = [];
  for await (const each of await ai.models.list()) names.push(each.name);
  assert.ok(names.includes(`models/${model}`));
  assert.equal((await ai.models.get({ model })).name, `models/${model}`);
  assert.ok((await ai.models.countTokens({ model, contents: ['words', { inlineData }] })).totalTokens > 1120);
  const drawn = await ai.models.generateContent({ model, contents: ['draw this cat', { inlineData }] });
  assert.ok(jpeg(pictures(drawn)[0]));
  await assert.rejects(ai.models.generateContent({ model: 'gemini-0', contents: 'x' }), { status: 404 });
}

// words alone: the same picture for the same words
const ai = new GoogleGenAI({ apiKey: 'any', httpOptions: { baseUrl } });
const draw = async (contents) => pictures(await ai.models.generateContent({ model, contents }))[0];
const [one, again, other] = [await draw('a red boat'), await draw('a red boat'), await draw('a blue cat')];
assert.ok(jpeg(one));
assert.equal(one.inlineData.data, again.inlineData.data);
assert.notEqual(one.inlineData.data, other.inlineData.data);

// a chat: the second turn edits the picture of the first
const chat = ai.chats.create({ model, config: { responseModalities: ['TEXT', 'IMAGE'] } });
const first = await chat.sendMessage({ message: ['draw this cat', { inlineData }] });
const second = await chat.sendMessage({ message: 'make the sky blue' });
assert.equal(pictures(first).length, 1);
assert.ok(jpeg(pictures(second)[0]));
assert.ok(second.usageMetadata.promptTokenCount > first.usageMetadata.promptTokenCount + 1000);

// streaming
let streamed = 0;
let reason;
for await (const piece of await ai.models.generateContentStream({ model, contents: ['draw', { inlineData }] })) {
  streamed += pictures(piece).length;
  reason = piece.candidates?.[0]?.finishReason ?? reason;
}
assert.deepEqual([streamed, reason], [1, 'STOP']);
console.log('ok');
