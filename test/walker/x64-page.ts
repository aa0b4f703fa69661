import { Access, Privilege } from '../../src/access-list.ts';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import type { X64Registers } from '../../src/registers.ts';
import type { AccessRequest, Translation } from '../../src/translation.ts';
import { createWalker } from '../../src/walker.ts';

/** Bits of entries as the manual numbers them. */
export const P = 1n;
export const RW = 1n << 1n;
export const US = 1n << 2n;
export const PWT = 1n << 3n;
export const PCD = 1n << 4n;
export const PS = 1n << 7n;
export const XD = 1n << 63n;

export type Structure = 'PML5' | 'PML4' | 'PDPT' | 'PD' | 'PT';

/** Frames of the paging structures of {@link page}; the page lies in frame 0x99. */
export const TABLES: Readonly<Record<Structure, bigint>> = {
  PML5: 0x1000n,
  PML4: 0x2000n,
  PDPT: 0x3000n,
  PD: 0x4000n,
  PT: 0x5000n,
};
const CHAIN: readonly Structure[] = ['PML5', 'PML4', 'PDPT', 'PD', 'PT'];
const SHIFTS: Readonly<Record<Structure, bigint>> = { PML5: 48n, PML4: 39n, PDPT: 30n, PD: 21n, PT: 12n };

/** A virtual address with indices 0 (PML5), 5, 7, 9, 11 (PT) and offset 0x123. */
export const ADDRESS = (5n << 39n) | (7n << 30n) | (9n << 21n) | (11n << 12n) | 0x123n;
export const PAGE = 0x9_9000n;

export const REGISTERS: X64Registers = {
  architecture: 'x64',
  cr0: 0x8001_0001n,
  cr3: TABLES.PML4,
  cr4: 0x20n,
  efer: 0xd00n,
  physicalAddressBits: 40,
};

export const CR4 = { LA57: 1n << 12n, SMEP: 1n << 20n, SMAP: 1n << 21n, PKE: 1n << 22n } as const;

/** What differs from a page that everything may use, mapped by entries with P, R/W and U/S. */
export interface PageOptions {
  readonly entries?: Partial<Record<Structure, bigint>>;
  readonly registers?: Partial<X64Registers>;
}

/** Memory in which {@link ADDRESS} is mapped to {@link PAGE}, with some entries replaced. */
export function page(options: PageOptions = {}): { memory: PhysicalMemory; registers: X64Registers } {
  const memory = PhysicalMemory.allocate(0x1000, 0x5000);
  for (const [position, structure] of CHAIN.entries()) {
    const next = CHAIN[position + 1];
    const target = next === undefined ? PAGE : TABLES[next];
    memory.writeEntry(entryAddress(structure), options.entries?.[structure] ?? target | P | RW | US);
  }
  return { memory, registers: { ...REGISTERS, ...options.registers } };
}

/** Physical address of the entry that a structure uses for {@link ADDRESS}. */
export function entryAddress(structure: Structure): bigint {
  return TABLES[structure] + ((ADDRESS >> SHIFTS[structure]) & 511n) * 8n;
}

/** What becomes of an access to {@link ADDRESS}; "write user" and the like. */
export function outcome(
  what: 'read' | 'write' | 'execute',
  who: 'supervisor' | 'user',
  options: PageOptions & Partial<AccessRequest> = {},
): Translation {
  const { memory, registers } = page(options);
  const access = { read: Access.Read, write: Access.Write, execute: Access.Execute }[what];
  const privilege = { supervisor: Privilege.Supervisor, user: Privilege.User }[who];
  const { address = ADDRESS, flags = 0, pkru = 0 } = options;
  return createWalker(memory, registers).translate({ address, access, privilege, flags, pkru });
}
