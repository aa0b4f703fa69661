import { Access, Privilege } from '../../src/access-list.ts';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import type { AArch64Registers } from '../../src/registers.ts';
import type { Translation } from '../../src/translation.ts';
import { createWalker } from '../../src/walker.ts';

/** Bits of descriptors as the manual numbers them. */
export const VALID = 1n;
export const TABLE = 3n;
export const PAGE_TYPE = 3n;
export const USER = 1n << 6n;
export const READ_ONLY = 1n << 7n;
export const AF = 1n << 10n;
export const DBM = 1n << 51n;
export const PXN = 1n << 53n;
export const UXN = 1n << 54n;
export const PXN_TABLE = 1n << 59n;
export const UXN_TABLE = 1n << 60n;
export const NO_USER_TABLE = 1n << 61n;
export const READ_ONLY_TABLE = 1n << 62n;
export const attribute = (index: bigint): bigint => index << 2n;
export const shareability = (value: bigint): bigint => value << 8n;

export type Level = 0 | 1 | 2 | 3;
/** Tables of {@link outcome} by level; both halves start at the same one. */
export const TABLES: Readonly<Record<Level, bigint>> = { 0: 0x2000n, 1: 0x3000n, 2: 0x4000n, 3: 0x5000n };
export const PAGE = 0x9_9000n;

/** Indices 0, 7, 9, 11 (level 3) and offset 0x120; the same in the upper half. */
export const ADDRESS = (7n << 30n) | (9n << 21n) | (11n << 12n) | 0x120n;
export const UPPER_ADDRESS = 0xffff_0000_0000_0000n | ADDRESS;

/** 48-bit addresses in both halves, 4 KiB granules, 48-bit output. */
export const TCR_EL1 = 16n | (16n << 16n) | (2n << 30n) | (5n << 32n);
export const TCR_EL2 = 16n | (5n << 16n);

/** {@link TCR_EL1} with more bits set, by position. */
export function tcr(...positions: number[]): { tcr: bigint } {
  return { tcr: positions.reduce((bits, position) => bits | (1n << BigInt(position)), TCR_EL1) };
}

export const EL1: AArch64Registers = {
  architecture: 'aarch64',
  exceptionLevel: 1,
  ttbr0: TABLES[0],
  ttbr1: TABLES[0],
  tcr: TCR_EL1,
  mair: 0xff_44_04_00n,
  sctlr: 1n,
  hcrEl2: 0n,
};
export const EL2: AArch64Registers = { ...EL1, exceptionLevel: 2, tcr: TCR_EL2 };

export interface PageOptions {
  readonly address?: bigint;
  /** Replace the descriptors that tables have for {@link ADDRESS}, by level. */
  readonly descriptors?: Partial<Record<Level, bigint>>;
  /** Replace the leaf's bits besides address, type and access flag; default normal memory for both levels. */
  readonly leaf?: bigint;
  readonly registers?: Partial<AArch64Registers>;
}

/** Memory in which {@link ADDRESS} is mapped to {@link PAGE}, with some descriptors replaced. */
export function page(options: PageOptions = {}): { memory: PhysicalMemory; registers: AArch64Registers } {
  const memory = PhysicalMemory.allocate(0x1000, 0x5000);
  const leaf = PAGE | PAGE_TYPE | AF | (options.leaf ?? USER | attribute(3n) | shareability(3n));
  const plain = { 0: TABLES[1] | TABLE, 1: TABLES[2] | TABLE, 2: TABLES[3] | TABLE, 3: leaf };
  for (const level of [0, 1, 2, 3] as const) {
    memory.writeEntry(descriptorAddress(level), options.descriptors?.[level] ?? plain[level]);
  }
  return { memory, registers: { ...EL1, ...options.registers } };
}

/** Physical address of the descriptor of a level for {@link ADDRESS}. */
export function descriptorAddress(level: Level): bigint {
  return TABLES[level] + ((ADDRESS >> BigInt(39 - 9 * level)) & 511n) * 8n;
}

export function outcome(
  what: 'read' | 'write' | 'execute',
  who: 'supervisor' | 'user',
  options: PageOptions = {},
): Translation {
  const { memory, registers } = page(options);
  const access = { read: Access.Read, write: Access.Write, execute: Access.Execute }[what];
  const privilege = { supervisor: Privilege.Supervisor, user: Privilege.User }[who];
  return createWalker(memory, registers).translate({
    address: options.address ?? ADDRESS,
    access,
    privilege,
  });
}
