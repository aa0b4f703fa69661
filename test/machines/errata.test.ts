import { describe, expect, test } from 'vitest';
import { ERRATA, type Erratum, errataOf } from '../../harness/errata.ts';
import type { CaptureInput } from '../../harness/inputs/types.ts';
import { MACHINES } from '../../harness/machines/registry.ts';
import type { Report } from '../../harness/report.ts';
import { verify } from '../../harness/verify.ts';
import { MemoryAttributes } from '../../src/memory-attributes.ts';
import type { Registers } from '../../src/registers.ts';
import { newAArch64, newX64, TABLES_BASE, tableMemory } from '../support/page-tables.ts';
import { ALL_OF_TWO, StageTwoTables, Two } from './aarch64-stage-two-tables.ts';
import { Bit, HandmadeTables, Index, Tcr } from './aarch64-tables.ts';

/** Stage 2 has no table at an address where stage 1 has one. */
function forbiddenWalk(): CaptureInput {
  const one = new HandmadeTables();
  one.set(one.entryAddress(0x5000n, 1), 0x1_0000_0000n | Bit.Valid | Bit.TableOrPage);
  const { memory, registers } = new StageTwoTables(one).map(0x4000_0000n, 0x4000_0000n, ALL_OF_TWO, 2);
  return captureOf(memory, registers);
}

/** Tables that provoke each deviation, by rule. */
const PROVOCATIONS: Readonly<Record<string, () => CaptureInput>> = {
  'reserved-bit-fault-reports-not-present': () => {
    const { memory, allocator } = tableMemory();
    const table = newX64({ memory, allocator, physicalAddressBits: 40 });
    table.mapMemoryRegion(0x20_0000, 0x1000, MemoryAttributes.None);
    const beyondMaxPhyAddr = 1n << 45n;
    setInEveryLeaf(memory, beyondMaxPhyAddr, 0x20_0000n);
    return captureOf(memory, table.registers());
  },
  'par-shareability-not-normalised': () => {
    const { memory, allocator } = tableMemory();
    const table = newAArch64({ memory, allocator, regime: 'el1' });
    const device = MemoryAttributes.Uncached | MemoryAttributes.ExecuteProtect;
    table.mapMemoryRegion(0x20_0000, 0x1000, device);
    return captureOf(memory, table.registers());
  },
  'block-keeps-low-address-bits': () => {
    const { memory, allocator } = tableMemory();
    const table = newAArch64({ memory, allocator, regime: 'el1' });
    const data = MemoryAttributes.Writeback | MemoryAttributes.ExecuteProtect;
    table.mapMemoryRegion(0x40_0000, 0x20_0000, data);
    setInEveryLeaf(memory, 0x2000n, 0x40_0000n);
    return captureOf(memory, table.registers());
  },
  'reserved-block-accepted': () => {
    const { memory, registers } = new HandmadeTables().map(0n, 0n, WRITE_BACK, 0);
    return captureOf(memory, registers);
  },
  'high-address-bits-ignored-where-output-is-smaller': () => {
    const image = new HandmadeTables({ cpu: 'max', pageShift: 16 });
    const { memory, registers } = image.map(0x5_0000n, 0x1_3000n, WRITE_BACK);
    return captureOf(memory, registers);
  },
  'stage-one-walk-fault-has-level-of-stage-one': forbiddenWalk,
  'stage-one-walk-fault-is-translation-fault-of-stage-one': forbiddenWalk,
  'device-of-one-stage-made-stricter-by-normal-of-the-other': () => {
    const one = new HandmadeTables().map(
      0x5000n,
      0x1_0000_5000n,
      Index.NonCacheable | Bit.InnerShareable | Bit.AF,
    );
    const gre = (ALL_OF_TWO & ~Two.WriteBack) | (0x3n << 2n);
    const { memory, registers } = new StageTwoTables(one)
      .map(0x4000_0000n, 0x4000_0000n, ALL_OF_TWO, 2)
      .map(0x1_0000_5000n, 0x5000n, gre);
    return captureOf(memory, registers);
  },
  'stage-two-execute-never-is-one-bit': () => {
    const notByEl1 = ALL_OF_TWO | (1n << 53n);
    const two = new StageTwoTables(new HandmadeTables(), { alone: true }).map(0x5000n, 0x5000n, notByEl1);
    return captureOf(two.memory, two.registers);
  },
  'hierarchical-disable-without-hpds': () => {
    const image = new HandmadeTables({ cpu: 'cortex-a72', outputBits: 44, tcr: Tcr.HPD0 });
    const { memory, registers } = image.map(0x5000n, 0x5000n, WRITE_BACK, 3, Bit.ReadOnlyTable);
    return captureOf(memory, registers);
  },
  'address-size-not-checked': () => {
    const { memory, registers } = new HandmadeTables({ outputBits: 36 }).map(0x5000n, 1n << 36n, WRITE_BACK);
    return captureOf(memory, registers);
  },
};

const WRITE_BACK = Index.WriteBack | Bit.InnerShareable | Bit.AF;

function setInEveryLeaf(memory: CaptureInput['memory'], bits: bigint, frameAddress: bigint): void {
  for (let address = TABLES_BASE; memory.readEntry(address) !== undefined; address += 8) {
    const entry = memory.readEntry(address) ?? 0n;
    if ((entry & 1n) !== 0n && (entry & 0xf_ffff_ffff_f000n) === frameAddress) {
      memory.writeEntry(address, entry | bits);
    }
  }
}

function captureOf(memory: CaptureInput['memory'], registers: Registers): CaptureInput {
  const { architecture } = registers;
  return { kind: 'capture', name: 'provocation', architecture, registers, memory, notes: [] };
}

async function verifyOn(erratum: Erratum, errata: readonly Erratum[]): Promise<Report> {
  const machines = MACHINES.filter(({ name }) => name === erratum.machine);
  const provoke = PROVOCATIONS[erratum.rule];
  if (provoke === undefined) throw new Error(`nothing provokes ${erratum.rule}`);
  return await verify(provoke(), { machines, errata });
}

async function versionOf(name: string): Promise<string | undefined> {
  const provider = await MACHINES.find((machine) => machine.name === name)?.provider();
  const detected = await provider?.detect();
  return detected?.available ? detected.capabilities.version : undefined;
}

const versions = new Map(
  await Promise.all(MACHINES.map(async ({ name }) => [name, await versionOf(name)] as const)),
);

const HERE = 'test/machines/errata.test.ts';

describe.each(ERRATA.filter(({ test: path }) => path === HERE))('$machine: $rule', (erratum) => {
  const version = versions.get(erratum.machine);
  const applies = version !== undefined && errataOf(erratum.machine, version, [erratum]).length > 0;

  test.runIf(applies)('is reproduced: without the entry it is a mismatch', async () => {
    const others = ERRATA.filter((other) => other !== erratum);
    expect((await verifyOn(erratum, others)).verdict).toBe('mismatch');
  });

  test.runIf(applies)('accounts for all of the difference, and is counted', async () => {
    const report = await verifyOn(erratum, ERRATA);
    expect(report.verdict).toBe('agree');
    expect(report.machines[0]?.errataApplied.map(({ rule }) => rule)).toEqual([erratum.rule]);
  });
});
