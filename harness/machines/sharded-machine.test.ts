import { describe, expect, test } from 'vitest';
import { Access, AccessList, Privilege } from '../../src/access-list.ts';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { KNOWN_ALL, OutcomeList } from '../../src/outcome-list.ts';
import { X64_REGISTERS } from '../../test/support/registers.ts';
import type { GuestImage, Machine, ProbeList } from '../machine.ts';
import { openSharded, ShardedMachine } from './sharded-machine.ts';

const TABLE = 0x1000;

const capabilities = {
  architecture: 'x64',
  version: '1.2.3',
  observes: KNOWN_ALL,
  features: [],
  limits: [],
} as const;

/** An image of one frame with one entry. */
function imageOf(entry: bigint): GuestImage {
  const memory = PhysicalMemory.allocate(TABLE, 0x1000);
  memory.writeEntry(TABLE, entry);
  return { registers: X64_REGISTERS, memory };
}

/** Answers each access with its own address, and its first one with a remark. */
class FakeInstance implements Machine {
  readonly name = 'fake-x64';
  readonly capabilities = capabilities;
  readonly asked: number[] = [];
  /** What it leaves of the entry, given what it was. */
  leaves = (entry: bigint) => entry;
  fails = false;
  isLoaded = false;
  #memory = new PhysicalMemory();

  async load({ memory }: GuestImage) {
    this.#memory = memory;
    this.isLoaded = true;
  }

  async probe({ accesses, expectedFrames }: ProbeList) {
    if (this.fails) throw new Error('broke off');
    expect(expectedFrames.length).toBe(accesses.length);
    this.asked.push(accesses.length);
    const outcomes = new OutcomeList(accesses.length);
    for (let index = 0; index < accesses.length; index++) {
      outcomes.known[index] = KNOWN_ALL;
      outcomes.physicalAddress[index] = Number(accesses.address(index));
    }
    const remarks = new Map([[0, `first of ${accesses.length}`]]);
    return { outcomes, remarks, guestSeconds: accesses.length / 1000 };
  }

  async readBack() {
    const after = PhysicalMemory.allocate(TABLE, 0x1000);
    after.writeEntry(TABLE, this.leaves(this.#memory.readEntry(TABLE) ?? 0n));
    return after;
  }

  async close() {
    this.isLoaded = false;
  }
}

function probesOf(length: number): ProbeList {
  const accesses = new AccessList(length);
  for (let index = 0; index < length; index++) {
    accesses.set(index, index * 16, 0, Access.Read, Privilege.Supervisor);
  }
  return { accesses, expectedFrames: new Float64Array(length) };
}

async function loaded(image = imageOf(7n)) {
  const instances = [new FakeInstance(), new FakeInstance()] as const;
  const machine = new ShardedMachine(instances);
  await machine.load(image);
  return { machine, instances };
}

describe('a list of probes', () => {
  test('is cut into one part for each instance, and every answer stands where it was asked', async () => {
    const { machine, instances } = await loaded();
    const { outcomes, remarks, guestSeconds } = await machine.probe(probesOf(5001));
    expect(instances.map(({ asked }) => asked)).toEqual([[2500], [2501]]);
    expect(outcomes.physicalAddress.every((address, index) => address === index * 16)).toBe(true);
    expect([...remarks]).toEqual([
      [0, 'first of 2500'],
      [2500, 'first of 2501'],
    ]);
    expect(guestSeconds).toBe(2.501);
  });

  test('that is short goes to one instance', async () => {
    const { machine, instances } = await loaded();
    expect((await machine.probe(probesOf(2000))).outcomes.length).toBe(2000);
    expect(instances.map(({ asked }) => asked)).toEqual([[2000], []]);
  });

  test('fails with the instance that fails, and closes all of them', async () => {
    const { machine, instances } = await loaded();
    instances[1].fails = true;
    await expect(machine.probe(probesOf(5000))).rejects.toThrow('broke off');
    expect(instances.map(({ isLoaded }) => isLoaded)).toEqual([false, false]);
    await expect(machine.probe(probesOf(1))).rejects.toThrow('no image is loaded');
  });
});

describe('reading back', () => {
  test('shows the flags that any of the instances has set', async () => {
    const { machine, instances } = await loaded(imageOf(0x1007n));
    instances[0].leaves = (entry) => entry | 0x20n;
    instances[1].leaves = (entry) => entry | 0x60n;
    expect((await machine.readBack()).readEntry(TABLE)).toBe(0x1067n);
  });

  test('shows a bit that only one of the instances has cleared', async () => {
    const image = imageOf(0x1067n);
    const { machine, instances } = await loaded(image);
    instances[1].leaves = (entry) => entry & ~0x40n;
    expect((await machine.readBack()).readEntry(TABLE)).toBe(0x1027n);
  });

  test('shows no change where there was none', async () => {
    const { machine } = await loaded(imageOf(0x1067n));
    expect((await machine.readBack()).readEntry(TABLE)).toBe(0x1067n);
  });
});

describe('opening', () => {
  test('makes as many instances as there are cores and work for them', async () => {
    let opened = 0;
    const open = async () => {
      opened++;
      return new FakeInstance();
    };
    expect(await openSharded({ cores: 2, expectedProbes: 10_000_000 }, open)).toBeInstanceOf(ShardedMachine);
    expect(opened).toBe(2);
    for (const options of [{}, { cores: 4 }, { cores: 4, expectedProbes: 1000 }, { expectedProbes: 1e9 }]) {
      expect(await openSharded(options, open)).toBeInstanceOf(FakeInstance);
    }
  });

  test('offers live tables and lists of leaves only where the instances do', () => {
    const without = new ShardedMachine([new FakeInstance(), new FakeInstance()]);
    expect([without.loadLive, without.listLeaves]).toEqual([undefined, undefined]);
    const able = Object.assign(new FakeInstance(), {
      loadLive: async () => ({ update: async () => {}, invalidate: async () => {}, peek: async () => [] }),
      listLeaves: async () => ({
        length: 0,
        pageNumber: new Float64Array(),
        frame: new Float64Array(),
        bits: new Uint8Array(),
      }),
    });
    const withBoth = new ShardedMachine([able, able]);
    expect([typeof withBoth.loadLive, typeof withBoth.listLeaves]).toEqual(['function', 'function']);
  });
});
