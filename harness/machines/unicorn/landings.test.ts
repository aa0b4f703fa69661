import { expect, test } from 'vitest';
import { AccessList } from '../../../src/access-list.ts';
import { Landings, NOWHERE, SCATTERED } from './landings.ts';

/** Landings of a batch of probes at 0x…120, and the word that says which of them is at work. */
function begin(count: number) {
  const accesses = new AccessList(count);
  for (let index = 0; index < count; index++) accesses.set(index, 0x5120, 0, 0, 0);
  const words = new Uint32Array(1);
  const landings = new Landings(8);
  landings.begin(accesses.words, { words, at: 0, base: 0x1000, shift: 4 });
  const probe = (position: number) => {
    words[0] = 0x1000 + position * 16;
  };
  return { landings, probe };
}

test('what touches memory at the probed slot’s offset is the probe that is at work', () => {
  const { landings, probe } = begin(3);
  probe(1);
  landings.note(0x1234_5127);
  probe(2);
  landings.note(0xf_ffff_f000_0120);
  expect([...landings.frames.subarray(0, 3)]).toEqual([NOWHERE, 0x12345, 0xf_ffff_f000_0]);
});

test('what touches memory at another offset is not the probe', () => {
  const { landings, probe } = begin(1);
  probe(0);
  landings.note(0x1234_5130);
  landings.noteAbsentRead(0x1234_5ff8);
  expect(landings.frames[0]).toBe(NOWHERE);
  expect(landings.leftMemory[0]).toBe(1);
});

test('a load inside an entry is not the table walker’s', () => {
  const { landings, probe } = begin(1);
  probe(0);
  landings.noteAbsentRead(0x1234_5124);
  expect(landings.leftMemory[0]).toBe(0);
});

test('parts of one access in two frames are scattered, in one frame they are not', () => {
  const { landings, probe } = begin(2);
  probe(0);
  landings.note(0x5124);
  landings.note(0x5127);
  probe(1);
  landings.note(0x5124);
  landings.note(0x6127);
  expect([...landings.frames.subarray(0, 2)]).toEqual([5, SCATTERED]);
});

test('a new batch knows nothing of the one before', () => {
  const { landings, probe } = begin(1);
  probe(0);
  landings.noteAbsentRead(0x5120);
  landings.begin(new AccessList(1).words, { words: new Uint32Array(1), at: 0, base: 0, shift: 4 });
  expect(landings.frames[0]).toBe(NOWHERE);
  expect(landings.leftMemory[0]).toBe(0);
});
