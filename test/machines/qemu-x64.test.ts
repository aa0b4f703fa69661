import { afterAll, expect, test } from 'vitest';
import { qemuX64 } from '../../qemu/qemu-x64.ts';
import { AccessList } from '../../src/access-list.ts';
import { describeMachineContract } from './contract.ts';
import { Bit, HandmadeTables } from './x64-tables.ts';

describeMachineContract(qemuX64);

const machine = await qemuX64.open({ timeLimit: 1 });
afterAll(() => machine.close());

test('a start that takes longer than the limit is an error that says so, and leaves nothing to probe', async () => {
  const image = new HandmadeTables().map(0x5000n, 0x5000n, Bit.P);
  await expect(machine.load(image)).rejects.toThrow(
    'qemu-x64: QEMU took more than 0.001 s before the guest was up and was killed',
  );
  const nothing = { accesses: new AccessList(0), expectedFrames: new Float64Array(0) };
  await expect(machine.probe(nothing)).rejects.toThrow('qemu-x64: no image is loaded');
});

test('memory that the physical address width cannot hold is refused with both numbers', async () => {
  const image = new HandmadeTables({ base: 1n << 37n, physicalAddressBits: 36 });
  await expect(machine.load(image)).rejects.toThrow(
    'qemu-x64: memory up to 0x2000040000 does not fit in 36 physical address bits',
  );
});

test('tables beyond what QEMU can be given memory for are refused', async () => {
  const image = new HandmadeTables({ base: 1n << 51n, physicalAddressBits: 52 });
  await expect(machine.load(image)).rejects.toMatchObject({
    code: 'unfit',
    message: expect.stringContaining('beyond what QEMU can be given'),
  });
});
