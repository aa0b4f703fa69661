import { afterEach, describe, expect, test } from 'vitest';
import { freeRegions } from '../guest-stubs/aarch64/regions.ts';
import type { Installation } from '../guest-stubs/aarch64/stub-plan.ts';
import { planStub } from '../guest-stubs/aarch64/stub-plan.ts';
import { MAX_BATCH } from '../guest-stubs/aarch64/stub-protocol.ts';
import { Symbols } from '../guest-stubs/aarch64/symbols.ts';
import type { Machine, MachineOptions } from '../harness/machine.ts';
import { Access, AccessList, Privilege } from '../src/access-list.ts';
import { Bit, HandmadeTables, Index } from '../test/machines/aarch64-tables.ts';
import { childProcesses } from '../test/machines/life-contract.ts';
import { AArch64Guest } from './aarch64-guest.ts';
import { qemuAArch64 } from './qemu-aarch64.ts';

const NORMAL = Index.WriteBack | Bit.InnerShareable | Bit.AF;
const REGION = 0x20_0000;

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function open(options?: MachineOptions): Promise<Machine> {
  const machine = await qemuAArch64.open(options);
  closers.push(() => machine.close());
  return machine;
}

function readOf(address: bigint): AccessList {
  const accesses = new AccessList(1);
  accesses.set(0, Number(address & 0xffff_ffffn), Number(address >> 32n), Access.Read, Privilege.Supervisor);
  return accesses;
}

async function physicalAddressOf(machine: Machine, address: bigint): Promise<number | undefined> {
  const { outcomes } = await machine.probe({
    accesses: readOf(address),
    expectedFrames: Float64Array.of(-1),
  });
  return outcomes.physicalAddress[0];
}

describe('the processor', () => {
  test.each(['max', 'cortex-a53', 'cortex-a57', 'cortex-a72', 'neoverse-n1'])('%s runs', async (cpu) => {
    const machine = await open();
    await machine.load(new HandmadeTables({ cpu, outputBits: 40 }).map(0x5000n, 0x12_3000n, NORMAL));
    expect(await physicalAddressOf(machine, 0x5010n)).toBe(0x12_3010);
  });

  test('a model that QEMU does not have is refused with its message', async () => {
    const load = (await open()).load(new HandmadeTables({ cpu: 'cortex-z99' }));
    await expect(load).rejects.toMatchObject({ code: 'unfit' });
    await expect(load).rejects.toThrow(/unable to find CPU model 'cortex-z99'/);
  });

  test('a model with properties is no model', async () => {
    const load = (await open()).load(new HandmadeTables({ cpu: 'max,sve=off' }));
    await expect(load).rejects.toThrow(/'max,sve=off' is not the name of a CPU model/);
  });

  test('a model with fewer physical address bits than the image assumes is refused', async () => {
    const { memory, registers } = new HandmadeTables({ cpu: 'cortex-a53', outputBits: 44 });
    const load = (await open()).load({ memory, registers: { ...registers, physicalAddressBits: 44 } });
    await expect(load).rejects.toMatchObject({ code: 'unfit' });
    await expect(load).rejects.toThrow(/cortex-a53 has physical addresses of 40 bits, the image needs 44/);
  });
});

describe('one guest for many images', () => {
  test('an image that goes where the stub is makes it move', async () => {
    const machine = await open();
    for (const base of [0x40_0000n, 0x20_0000n, 0x3f_f000n, 0x20_0000n]) {
      await machine.load(new HandmadeTables({ base, tableLimit: 8 }).map(0x5000n, base << 8n, NORMAL));
      expect(await physicalAddressOf(machine, 0x5000n)).toBe(Number(base << 8n));
    }
    expect(childProcesses()?.length ?? 1).toBe(1);
  });

  test('nothing of an image is left for the next', async () => {
    const machine = await open();
    await machine.load(new HandmadeTables({ base: 0x100_0000n }).map(0x5000n, 0x12_3000n, NORMAL));
    const other = new HandmadeTables({ base: 0x80_0000n });
    const { memory, registers } = other;
    await machine.load({ memory, registers: { ...registers, ttbr0: 0x100_0000n } });
    expect(await physicalAddressOf(machine, 0x5000n)).toBe(-1);
  });

  test('another model, or an image further up, takes a new guest and leaves none of the old', async () => {
    const machine = await open();
    await machine.load(new HandmadeTables({ base: 0x80_0000n }));
    await machine.load(new HandmadeTables({ base: 0x80_0000n, cpu: 'cortex-a72', outputBits: 44 }));
    await machine.load(new HandmadeTables({ base: 0x8000_0000n, cpu: 'cortex-a72', outputBits: 44 }));
    expect(childProcesses()?.length ?? 1).toBe(1);
    await machine.close();
    expect(childProcesses()?.length ?? 0).toBe(0);
  });
});

test('roots for which the stub has no second place cannot be exchanged while the guest runs, smaller ones can', async () => {
  const machine = await open();
  for (const [pageShift, outcome] of [
    [16, 'unfit'],
    [14, 'switched'],
  ] as const) {
    const image = new HandmadeTables({ exceptionLevel: 3, pageShift, outputBits: 48 }).map(0n, 0n, NORMAL);
    const guest = await machine.loadLive?.(image);
    await physicalAddressOf(machine, 0n);
    const others = { ...image.registers, ttbr0: image.registers.ttbr0 + (1n << BigInt(pageShift)) };
    const switched = guest?.switchTables?.(others).then(() => 'switched');
    expect(await switched?.catch(({ code }) => code)).toBe(outcome);
    expect(await physicalAddressOf(machine, 0x100_0000_0000n)).toBe(-1);
  }
});

test('probes of several batches each get their own answer, mapped or not', async () => {
  const machine = await open();
  await machine.load(new HandmadeTables({}).map(0x5000n, 0x12_3000n, NORMAL));
  const count = 3 * MAX_BATCH + 5;
  const accesses = new AccessList(count);
  const isMapped = (index: number) => index % 3 === 0;
  for (let index = 0; index < count; index++) {
    accesses.set(
      index,
      isMapped(index) ? 0x5000 : 0x8000 + index * 0x1000,
      0,
      Access.Read,
      Privilege.Supervisor,
    );
  }
  const { outcomes } = await machine.probe({ accesses, expectedFrames: new Float64Array(count).fill(-1) });
  const wrong = Array.from(outcomes.physicalAddress).findIndex(
    (address, index) => address !== (isMapped(index) ? 0x12_3000 : -1),
  );
  expect(wrong).toBe(-1);
  const last = count - 1;
  expect(outcomes.faultAddress[last]).toBe(BigInt(0x8000 + last * 0x1000));
});

describe('a stub that breaks', () => {
  /** A guest whose loop begins with other instructions. */
  async function runBroken(instructions: readonly number[], timeLimit: number): Promise<unknown> {
    const image = new HandmadeTables({ base: 0x80_0000n }).map(0x5000n, 0x12_3000n, NORMAL);
    const setup = { machine: 'test', cpu: 'max', ramSize: 0x100_0000, expectedUse: 0x100_0000 };
    const guest = new AArch64Guest({ ...setup, region: REGION, timeLimit });
    closers.push(() => guest.close());
    guest.ram.writeMemory(image.memory);
    guest.ram.write(REGION + Symbols.run_el1, new Uint8Array(Uint32Array.from(instructions).buffer));
    await guest.whenUp();
    const readRam = (address: number, bytes: Uint8Array) => guest.ram.read(address, bytes);
    const installation: Installation = planStub(image.registers, readRam).install(0, REGION, readRam);
    guest.install(installation);
    return guest.run(installation, readOf(0x5000n)).catch((error: unknown) => error);
  }

  test('and hangs is killed when its time is over; the message says where it was', async () => {
    expect(await runBroken([0x1400_0000], 700)).toMatchObject({
      code: 'failed',
      message: expect.stringMatching(
        /took more than 0.7 s before a batch of 1 probes .*; it had done 0 of 1 probes, at 0x5000/,
      ),
    });
  });

  test('and comes back without results is an error', async () => {
    expect(await runBroken([0xd400_0003], 10_000)).toMatchObject({
      code: 'failed',
      message: expect.stringMatching(/the stub broke: .*it had done 0 of 1 probes, at 0x5000/),
    });
  });
});

test('the stub’s places share no frame with the image', () => {
  const { memory } = new HandmadeTables({ base: 0x3f_f000n, tableLimit: 2 });
  expect(freeRegions(memory, 2)).toEqual([0x60_0000, 0x80_0000]);
  memory.addRange(0x80_1000, new ArrayBuffer(0x1000));
  expect(freeRegions(memory, 2)).toEqual([0x60_0000, 0xa0_0000]);
});
