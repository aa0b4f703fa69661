import type { GuestImage } from '../../harness/machine.ts';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import type { AArch64Registers, X64Registers } from '../../src/registers.ts';

/** Registers of an x64 CPU in 64-bit mode with 4-level tables at `cr3`. */
export function x64Registers(cr3: bigint): X64Registers {
  return { architecture: 'x64', cr0: 0x8001_0033n, cr3, cr4: 0x20n, efer: 0xd00n, physicalAddressBits: 48 };
}

/** Registers of an AArch64 CPU with its MMU on at EL2: 48-bit addresses, 4 KiB granule, 48-bit output. */
export function el2Registers(ttbr0: bigint): AArch64Registers {
  return {
    architecture: 'aarch64',
    exceptionLevel: 2,
    ttbr0,
    ttbr1: 0n,
    tcr: 0x8085_3510n,
    mair: 0xffbb_4400n,
    sctlr: 0x30c5_1835n,
    hcrEl2: 0x8000_0000n,
  };
}

/** x64 tables at `base` that map the page at virtual 0x40_0000_0000 to physical 0x5000, user and writable. */
export function x64Image(base: bigint): GuestImage {
  const memory = PhysicalMemory.allocate(base, 0x4000);
  const present = 0x7n;
  memory.writeEntry(base, (base + 0x1000n) | present);
  memory.writeEntry(base + 0x1000n + 256n * 8n, (base + 0x2000n) | present);
  memory.writeEntry(base + 0x2000n, (base + 0x3000n) | present);
  memory.writeEntry(base + 0x3000n, 0x5000n | present);
  return { memory, registers: x64Registers(base) };
}

/** What the test image maps. */
export const MAPPED_PAGE = 0x40_0000_0000n;
export const MAPPED_FRAME = 0x5000n;
