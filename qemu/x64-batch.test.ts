import { describe, expect, test } from 'vitest';
import { Access, AccessFlag, AccessList, Privilege } from '../src/access-list.ts';
import { GROUP_SIZE, X64Batch } from './x64-batch.ts';

const { Read, Write, Execute } = Access;
const { Supervisor, User } = Privilege;
type Wanted = readonly [page: number, access: Access, privilege?: Privilege, flags?: number, pkru?: number];

/** A batch of accesses, all expected where there is no memory unless `isLogged` is false. */
function batchOf(wanted: readonly Wanted[], isLogged = true): X64Batch {
  const accesses = new AccessList(wanted.length);
  const batch = new X64Batch(wanted.length, true);
  wanted.forEach(([page, access, privilege = Supervisor, flags = 0, pkru = 0], index) => {
    accesses.set(index, page * 4096, 0, access, privilege, flags, pkru);
    batch.add(accesses, index, isLogged);
  });
  return batch;
}

const isPair = (...wanted: Wanted[]) => batchOf(wanted).storesAsRead(1);

describe('a write that stores what the read before it has returned', () => {
  test('follows a read that differs from it in nothing else', () => {
    expect(isPair([5, Read], [5, Write])).toBe(true);
    expect(
      isPair([5, Read, User, AccessFlag.ProtectionKeys, 4], [5, Write, User, AccessFlag.ProtectionKeys, 4]),
    ).toBe(true);
  });

  test.each<[string, Wanted, Wanted]>([
    ['another page', [5, Read], [6, Write]],
    ['another privilege', [5, Read], [5, Write, User]],
    ['another EFLAGS.AC', [5, Read], [5, Write, Supervisor, AccessFlag.AlignmentCheck]],
    [
      'another PKRU',
      [5, Read, User, AccessFlag.ProtectionKeys, 4],
      [5, Write, User, AccessFlag.ProtectionKeys, 8],
    ],
    ['another write', [5, Write], [5, Write]],
    ['a fetch', [5, Execute], [5, Write]],
  ])('does not follow one with %s', (_, first, second) => {
    expect(isPair(first, second)).toBe(false);
  });

  test('is only asked for where a log says where it went', () => {
    const batch = batchOf(
      [
        [5, Read],
        [5, Write],
      ],
      false,
    );
    expect([batch.storesAsRead(1), batch.slot(1)]).toEqual([false, 1]);
  });

  test('is in the group of its read', () => {
    const before = Array.from({ length: GROUP_SIZE - 1 }, (): Wanted => [4, Execute]);
    const batch = batchOf([...before, [5, Read], [5, Write], [6, Read], [6, Write]]);
    expect(batch.storesAsRead(GROUP_SIZE)).toBe(false);
    expect(batch.storesAsRead(GROUP_SIZE + 2)).toBe(true);
  });
});
