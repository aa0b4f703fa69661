import { Access, Privilege } from '../../src/access-list.ts';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import type { AArch64Registers } from '../../src/registers.ts';
import type { Translation } from '../../src/translation.ts';
import { createWalker } from '../../src/walker.ts';
import { TableBuilder } from './table-builder.ts';

/** A table of a stage, and the descriptors to write, by address and level. */
export interface Tables {
  readonly pageShift: number;
  readonly startLevel: number;
  readonly inputBits: number;
  readonly root: bigint;
  readonly descriptors: readonly (readonly [address: bigint, level: number, descriptor: bigint])[];
}

/** Bytes of memory below which tables lie; pools follow the roots. */
const MEMORY_BYTES = 0x80_0000;
const POOL_OFFSET = 0x20_0000n;

/** Memory with the tables of one stage or two. */
export function memoryOf(...stages: readonly Tables[]): PhysicalMemory {
  const memory = PhysicalMemory.allocate(0, MEMORY_BYTES);
  for (const { descriptors, ...form } of stages) {
    const pool = form.root + POOL_OFFSET;
    const builder = new TableBuilder(memory, { ...form, pool, table: (address) => address | 3n });
    for (const [address, level, descriptor] of descriptors) builder.set(address, level, descriptor);
  }
  return memory;
}

export function translate(
  memory: PhysicalMemory,
  registers: AArch64Registers,
  what: 'read' | 'write' | 'execute',
  who: 'supervisor' | 'user',
  address: bigint,
): Translation {
  const access = { read: Access.Read, write: Access.Write, execute: Access.Execute }[what];
  const privilege = { supervisor: Privilege.Supervisor, user: Privilege.User }[who];
  return createWalker(memory, registers).translate({ address, access, privilege });
}
