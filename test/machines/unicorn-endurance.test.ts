import { describe, expect, test } from 'vitest';
import { unicornX64 } from '../../harness/machines/unicorn/unicorn-x64.ts';
import { Access, AccessList, Privilege } from '../../src/access-list.ts';
import { Bit, HandmadeTables } from './x64-tables.ts';

const GIB = 0x4000_0000;
/** A user page of 1 GiB at 1 GiB, where no memory is. */
const image = () => new HandmadeTables().map(BigInt(GIB), 0x12_4000_0000n, Bit.P | Bit.W | Bit.U, 3);

function everyPage(count: number, access: Access, privilege: Privilege): AccessList {
  const accesses = new AccessList(count);
  for (let index = 0; index < count; index++) accesses.set(index, GIB + index * 4096, 0, access, privilege);
  return accesses;
}

describe('Unicorn holds out', () => {
  test('more fetches than the room for translated code has place for: all are made, and so is what follows', async () => {
    const machine = await unicornX64.open();
    await machine.load(image());
    const fetches = everyPage(60_000, Access.Execute, Privilege.Supervisor);
    const expectedFrames = new Float64Array(fetches.length).fill(-1);
    for (let round = 0; round < 6; round++) {
      const { outcomes } = await machine.probe({ accesses: fetches, expectedFrames });
      expect(outcomes.fault.findIndex((fault) => fault !== 0)).toBe(-1);
      expect(outcomes.physicalAddress[59_999]).toBe(0x12_4000_0000 + 59_999 * 4096);
      // Where a fault arises is what went wrong when that room ran out.
      const accesses = new AccessList(1);
      accesses.set(0, 0x7000, 0x100, Access.Write, Privilege.Supervisor);
      const after = await machine.probe({ accesses, expectedFrames: new Float64Array(1).fill(-1) });
      expect(after.outcomes.faultAddress[0]).toBe(0x100_0000_7000n);
    }
    await machine.close();
  });

  test('more images than there is room for callbacks', async () => {
    const machine = await unicornX64.open();
    const accesses = everyPage(2, Access.Write, Privilege.User);
    const expectedFrames = new Float64Array(2).fill(-1);
    for (let round = 0; round < 2_000; round++) {
      await machine.load(image());
      const { outcomes } = await machine.probe({ accesses, expectedFrames });
      expect(outcomes.physicalAddress[1]).toBe(0x12_4000_1000);
    }
    await machine.close();
  });
});
