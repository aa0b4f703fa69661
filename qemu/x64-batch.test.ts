import { expect, test } from 'vitest';
import { Access, AccessList, Privilege } from '../src/access-list.ts';
import { GROUP_SIZE, X64Batch } from './x64-batch.ts';

/** A batch of accesses to one page, all expected where there is no memory. */
function batchOf(...kinds: readonly Access[]): X64Batch {
  const accesses = new AccessList(kinds.length);
  kinds.forEach((access, index) => {
    accesses.set(index, 0x40_0000, 0, access, Privilege.User);
  });
  const batch = new X64Batch(2 * GROUP_SIZE, false);
  for (let index = 0; index < accesses.length; index++) batch.add(accesses, index, true);
  return batch;
}

const storing = (batch: X64Batch) =>
  Array.from({ length: batch.length }, (_, position) => position).filter((at) => batch.storesAsRead(at));

test('a write after the read of its page takes its slot, and a fetch after that does not', () => {
  const batch = batchOf(Access.Read, Access.Write, Access.Execute);
  expect(storing(batch)).toEqual([1]);
  expect([0, 1, 2].map((position) => batch.slot(position))).toEqual([0, 0, 2]);
});

test('a write that is first in its group stands alone, and so does the fetch after it', () => {
  const before = Array.from({ length: GROUP_SIZE - 1 }, () => Access.Execute);
  const batch = batchOf(...before, Access.Read, Access.Write, Access.Execute);
  expect(storing(batch)).toEqual([]);
  expect(batch.slot(GROUP_SIZE)).toBe(0);
  expect(batch.slot(GROUP_SIZE + 1)).toBe(1);
});
