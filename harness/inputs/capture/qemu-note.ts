import { hex } from '../../../src/addresses.ts';
import type { X64Registers } from '../../../src/registers.ts';
import { InputError } from '../input-error.ts';
import type { CoreNote } from './elf-core.ts';

/**
 * The note that QEMU's `dump-guest-memory` writes for each x86 CPU, name "QEMU", type 0 (`QEMUCPUState` of
 * its target/i386/arch_dump.c): version, size, sixteen general registers, RIP, RFLAGS, ten segments of 24
 * bytes, CR0–CR4, and since 2.12 the kernel's GS base.
 */
export const QemuCpuState = {
  Version: 0,
  Size: 4,
  Cr0: 392,
  Cr3: 416,
  Cr4: 424,
  Bytes: 440,
} as const;
export const QEMU_NOTE_NAME = 'QEMU';
export const QEMU_NOTE_VERSION = 1;

const CR0_PAGING = 1n << 31n;
const CR4_PAE = 1n << 5n;
/** LME | LMA | NXE: 64-bit mode with the execute-disable bit. */
const EFER_LONG_MODE_NXE = 0xd00n;
/** What QEMU's own CPU models have unless told otherwise. */
const DEFAULT_PHYSICAL_ADDRESS_BITS = 40;

/** Registers and what was assumed about those that the note does not have. */
export interface NoteRegisters {
  readonly registers: X64Registers;
  readonly assumptions: readonly string[];
}

/** The paging registers of the first CPU, or undefined if there is no such note. */
export function registersFromQemuNote(file: string, notes: readonly CoreNote[]): NoteRegisters | undefined {
  const note = notes.find(({ name, type }) => name === QEMU_NOTE_NAME && type === 0);
  if (note === undefined) return undefined;
  const { descriptor } = note;
  const version = descriptor.byteLength < 8 ? 0 : descriptor.getUint32(QemuCpuState.Version, true);
  if (version !== QEMU_NOTE_VERSION || descriptor.byteLength < QemuCpuState.Cr4 + 8) {
    throw new InputError(
      file,
      `the QEMU note has version ${version} and ${descriptor.byteLength} bytes; expected version 1 and ${QemuCpuState.Bytes} bytes`,
    );
  }
  const cr0 = descriptor.getBigUint64(QemuCpuState.Cr0, true);
  const cr3 = descriptor.getBigUint64(QemuCpuState.Cr3, true);
  const cr4 = descriptor.getBigUint64(QemuCpuState.Cr4, true);
  if ((cr0 & CR0_PAGING) === 0n || (cr4 & CR4_PAE) === 0n) {
    throw new InputError(
      file,
      `the QEMU note says cr0 ${hex(cr0)} and cr4 ${hex(cr4)}: the CPU was not in 64-bit mode with paging on`,
    );
  }
  return {
    registers: {
      architecture: 'x64',
      cr0,
      cr3,
      cr4,
      efer: EFER_LONG_MODE_NXE,
      physicalAddressBits: DEFAULT_PHYSICAL_ADDRESS_BITS,
    },
    assumptions: [
      `registers are those of the core's QEMU note; it has no EFER, taken to be ${hex(EFER_LONG_MODE_NXE)} (LME, LMA, NXE)`,
      `the number of physical address bits is taken to be ${DEFAULT_PHYSICAL_ADDRESS_BITS}, PAT to be as after reset`,
    ],
  };
}
