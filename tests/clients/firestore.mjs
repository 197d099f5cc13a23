// FIRESTORE_EMULATOR_HOST=ADDR node firestore.mjs: what a shop's Node back end does with Firestore.
import assert from 'node:assert/strict';
import { FieldValue, Firestore } from '@google-cloud/firestore';

const db = new Firestore({ projectId: `p${Date.now()}` });
const ids = (snapshot) => snapshot.docs.map((each) => each.id);
const refused = (promise, code) => assert.rejects(promise, (error) => error.code === code);

// recursive delete: of a document, of a collection, and not of its neighbours
const pets = db.collection('pets');
await pets.doc('a').set({ x: 1 });
await pets.doc('a').collection('sub').doc('1').set({ v: 1 });
await pets.doc('a').collection('sub').doc('1').collection('deep').doc('2').set({ v: 1 });
await pets.doc('b').set({ x: 2 });
await db.collection('pets2').doc('stays').set({});
await db.recursiveDelete(pets.doc('a'));
assert.equal((await pets.doc('a').collection('sub').get()).size, 0);
assert.deepEqual(ids(await pets.get()), ['b']);
await pets.doc('gone').collection('sub').doc('1').set({});
assert.deepEqual((await pets.listDocuments()).map((each) => each.id), ['b', 'gone']);
await db.recursiveDelete(pets);
assert.deepEqual((await db.listCollections()).map((each) => each.id), ['pets2']);

// a bulk writer over several batches
const writer = db.bulkWriter();
const many = db.collection('many');
for (let number = 0; number < 70; number++) writer.set(many.doc(String(number)), { number });
await writer.close();
assert.equal((await many.count().get()).data().count, 70);
assert.deepEqual(ids(await many.where('number', '>', 10).orderBy('number').limit(2).get()), ['11', '12']);
await db.recursiveDelete(many);
assert.equal((await many.count().get()).data().count, 0);

// transactions and transforms
const counter = db.doc('counters/one');
const add = () => db.runTransaction(async (transaction) => {
  const before = await transaction.get(counter);
  transaction.set(counter, { n: (before.get('n') ?? 0) + 1 });
});
await Promise.all([add(), add(), add()]);
await counter.update({ n: FieldValue.increment(2), at: FieldValue.serverTimestamp() });
assert.equal((await counter.get()).get('n'), 5);
await refused(db.doc('counters/none').update({ n: 1 }), 5);
await refused(counter.create({ n: 1 }), 6);

// what is not emulated says so, and soon
const told = await new Promise((resolve) => counter.onSnapshot(resolve, resolve));
assert.match(String(told), /Listen is not emulated/);
await refused((async () => { for await (const _ of db.collectionGroup('pets').getPartitions(3)); })(), 12);
await db.terminate();
console.log('ok');
