import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { AttachedProcessor } from '../../harness/attached-processor.ts';
import type { Machine } from '../../harness/machine.ts';
import { unicornAArch64 } from '../../harness/machines/unicorn/unicorn-aarch64.ts';
import { qemuAArch64 } from '../../qemu/qemu-aarch64.ts';
import { Access, AccessList, Privilege } from '../../src/access-list.ts';
import {
  type AArch64Registers,
  El1And0,
  El1Attributes,
  Mapping,
  MemoryRegion,
  PhysicalMemory,
  SequentialAllocator,
} from '../../src/index.ts';
import { withGuest } from './with-guest.ts';

const BASE = 0x4000_0000;
const ADDRESS = 0x402a_d000n;
const DISTANT = 0x502b_d000n;
const FRAME = 0x3012_3000;
const OTHER_FRAME = 0x3045_6000;
const { Valid, Accessed, InnerShareable, Empty } = El1Attributes;
const OPEN = El1Attributes.union(Valid, Accessed, InnerShareable);
const REGISTERS: AArch64Registers = {
  architecture: 'aarch64',
  exceptionLevel: 1,
  ttbr0: 0n,
  ttbr1: 0n,
  tcr: 25n | (25n << 16n) | (2n << 30n) | (5n << 32n),
  mair: 0xffn,
  sctlr: 0x30d0_198dn,
  hcrEl2: 0n,
};
const page = (address: bigint) => new MemoryRegion(address, address + 0x1000n);

describe.each([qemuAArch64, unicornAArch64])('$name as the processor of mappings', (provider) => {
  let machine: Machine;
  let memory: PhysicalMemory;
  let first: Mapping<typeof El1And0>;
  let second: Mapping<typeof El1And0>;
  let attached: AttachedProcessor;
  beforeAll(async () => {
    machine = await provider.open();
  });
  afterAll(() => machine.close());
  beforeEach(async () => {
    memory = PhysicalMemory.allocate(BASE, 0x2_0000);
    const allocator = new SequentialAllocator(BASE, 0x2_0000);
    const create = () => new Mapping({ regime: El1And0, rootLevel: 1, asid: 1, memory, allocator });
    [first, second] = [create(), create()];
    first.mapRange(page(ADDRESS), FRAME, OPEN);
    second.mapRange(page(ADDRESS), OTHER_FRAME, OPEN);
    const registers = { ...REGISTERS, ttbr0: second.rootAddress | (1n << 48n) };
    attached = await AttachedProcessor.attach(machine, memory, registers);
  });

  /** Where a read goes; −1 if it faults. */
  const landing = async (address = ADDRESS) => {
    const accesses = new AccessList(1);
    accesses.set(
      0,
      Number(address & 0xffff_ffffn),
      Number(address >> 32n),
      Access.Read,
      Privilege.Supervisor,
    );
    const frames = [FRAME, OTHER_FRAME].map((frame) => frame / 4096);
    const lists = frames.map((frame) => ({ accesses, expectedFrames: Float64Array.of(frame) }));
    // Both frames are announced, so that either can be told by what stands there.
    await machine.probe(lists[0] as (typeof lists)[0]);
    return (await attached.probe(lists[1] as (typeof lists)[0])).outcomes.physicalAddress[0];
  };

  test('maintenance makes a change known, without it the old translation stays in force', async () => {
    await first.activate(attached.processor);
    expect(await landing()).toBe(FRAME);
    const maintenance = first.mapRange(page(ADDRESS), 0, Empty);
    expect(await landing()).toBe(FRAME);
    await attached.carryOut(maintenance);
    expect(await landing()).toBe(-1);
  });

  test('activate and deactivate write the base register: the tables before are what is observed again', async () => {
    expect(await landing()).toBe(OTHER_FRAME);
    const previous = await first.activate(attached.processor);
    expect(previous).toBe(second.rootAddress | (1n << 48n));
    expect(attached.image.registers).toMatchObject({ ttbr0: first.rootAddress | (1n << 48n) });
    first.mapRange(page(DISTANT), FRAME, OPEN);
    expect(await landing(DISTANT)).toBe(FRAME);
    expect(await landing()).toBe(OTHER_FRAME);
    const maintenance = await first.deactivate(attached.processor, previous);
    expect(first.active).toBe(false);
    expect(await landing(DISTANT)).toBe(FRAME);
    await attached.carryOut(maintenance);
    expect(await landing(DISTANT)).toBe(-1);
    expect(await landing()).toBe(OTHER_FRAME);
  });

  test('a mapping that two processors use stays live until the last gives it up', async () => {
    const previous = await first.activate(attached.processor);
    await first.activate(attached.processor);
    await first.deactivate(attached.processor, previous);
    expect(first.active).toBe(true);
    expect(() => first.mapRange(page(ADDRESS), OTHER_FRAME, OPEN)).toThrow(/break-before-make/);
    await attached.carryOut(await first.deactivate(attached.processor, previous));
    expect(first.active).toBe(false);
    expect(await landing()).toBe(OTHER_FRAME);
  });

  test('the guest reads what the mappings have written', async () => {
    const tables = new MemoryRegion(BASE, BASE + 0x2000);
    await first.activate(attached.processor);
    await attached.carryOut(first.mapRange(tables, BASE, OPEN));
    const root = memory.readEntry(BASE + 8);
    expect(root).toBeGreaterThan(0n);
    expect(await attached.peek([BigInt(BASE) + 8n, DISTANT])).toEqual([root, undefined]);
  });

  test('a machine that cannot exchange tables leaves the mapping inactive', async () => {
    const fixed = withGuest(machine, ({ update, invalidate, peek }) => ({ update, invalidate, peek }));
    const { processor } = await AttachedProcessor.attach(fixed, memory, REGISTERS);
    await expect(first.activate(processor)).rejects.toMatchObject({ code: 'unfit' });
    expect([first.active, processor.registers.ttbr0]).toEqual([false, 0n]);
  });
});

test('a machine whose tables cannot change while it runs is unfit', async () => {
  const machine = await unicornAArch64.open();
  const { loadLive: _, ...still } = withGuest(machine, (guest) => guest);
  const attaching = AttachedProcessor.attach(still, PhysicalMemory.allocate(BASE, 0x1000), REGISTERS);
  await expect(attaching).rejects.toMatchObject({ name: 'MachineError', code: 'unfit' });
  await machine.close();
});
