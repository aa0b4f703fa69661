import { PHYSICAL_ADDRESS_SIZES } from '../../../src/aarch64/translation-control.ts';
import { hex } from '../../../src/addresses.ts';
import type { AArch64Registers, ExceptionLevel, Registers, X64Registers } from '../../../src/registers.ts';
import {
  amount,
  amountAmong,
  choice,
  type JsonSchema,
  optional,
  type RecordOf,
  record,
  required,
  text,
  variants,
} from '../form/form.ts';
import { parseTree } from '../form/tree.ts';
import { type Complaint, InputError } from '../input-error.ts';

/** The registers file that belongs to a capture: `NAME.core` or `NAME.core.gz` have `NAME.regs.json`. */
export function registersFileOf(corePath: string): string {
  return `${corePath.replace(/\.gz$/i, '').replace(/\.core$/i, '')}.regs.json`;
}

const U64 = amount((1n << 64n) - 1n);
const SOURCE = optional(text, 'Where the capture comes from; not interpreted.');

const X64_FIELDS = {
  arch: required(choice('arch', ['x64']), 'The architecture.'),
  cr0: required(U64, 'CR0.'),
  cr3: required(U64, 'CR3.'),
  cr4: required(U64, 'CR4.'),
  efer: required(U64, 'IA32_EFER.'),
  pat: optional(U64, 'IA32_PAT; the value after reset where absent.'),
  physicalAddressBits: required(amount(52n, 32n), 'MAXPHYADDR.'),
  source: SOURCE,
};

const AARCH64_FIELDS = {
  arch: required(choice('arch', ['aarch64']), 'The architecture.'),
  exceptionLevel: required(amount(3n, 1n), 'The exception level whose translation is captured.'),
  ttbr0: required(U64, 'TTBR0_ELx.'),
  ttbr1: required(U64, 'TTBR1_ELx; 0x0 where there is none.'),
  tcr: required(U64, 'TCR_ELx.'),
  mair: required(U64, 'MAIR_ELx.'),
  sctlr: required(U64, 'SCTLR_ELx.'),
  hcrEl2: required(U64, 'HCR_EL2.'),
  vtcr: optional(U64, 'VTCR_EL2.'),
  vttbr: optional(U64, 'VTTBR_EL2.'),
  scrEl3: optional(U64, 'SCR_EL3; EL1 and EL2 are Non-secure where absent.'),
  cpu: optional(text, "QEMU's name of the CPU model, if the tables depend on it."),
  physicalAddressBits: optional(
    amountAmong([...PHYSICAL_ADDRESS_SIZES, 52]),
    'Implemented physical address bits (ID_AA64MMFR0_EL1.PARange); 48 where absent.',
  ),
  source: SOURCE,
};

const REGISTERS_FORM = variants('a registers file', 'arch', {
  x64: record('an x64 registers file', X64_FIELDS),
  aarch64: record('an aarch64 registers file', AARCH64_FIELDS),
});

/** The published schema of registers files. */
export const REGISTERS_SCHEMA: JsonSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'mmucheck registers file',
  description: 'The paging registers that belong to a capture of page tables.',
  ...REGISTERS_FORM.schema,
};

/**
 * Reads the registers of a capture.
 * @throws InputError with line, column, field and value of everything that is wrong
 */
export function readRegisters(file: string, content: string): Registers {
  const complaints: Complaint[] = [];
  const written = REGISTERS_FORM.read(parseTree(file, content), complaints);
  if (written === undefined || complaints.length > 0) throw new InputError(file, complaints);
  return written.arch === 'x64' ? x64Registers(written) : aarch64Registers(written);
}

function x64Registers(written: RecordOf<typeof X64_FIELDS>): X64Registers {
  const { cr0, cr3, cr4, efer, pat, physicalAddressBits } = written;
  return {
    architecture: 'x64',
    cr0,
    cr3,
    cr4,
    efer,
    physicalAddressBits: Number(physicalAddressBits),
    ...(pat === undefined ? {} : { pat }),
  };
}

function aarch64Registers(written: RecordOf<typeof AARCH64_FIELDS>): AArch64Registers {
  const { ttbr0, ttbr1, tcr, mair, sctlr, hcrEl2, vtcr, vttbr, scrEl3, cpu, physicalAddressBits } = written;
  return {
    architecture: 'aarch64',
    exceptionLevel: Number(written.exceptionLevel) as ExceptionLevel,
    ttbr0,
    ttbr1,
    tcr,
    mair,
    sctlr,
    hcrEl2,
    ...(vtcr === undefined ? {} : { vtcr }),
    ...(vttbr === undefined ? {} : { vttbr }),
    ...(scrEl3 === undefined ? {} : { scrEl3 }),
    ...(cpu === undefined ? {} : { cpu }),
    ...(physicalAddressBits === undefined ? {} : { physicalAddressBits: Number(physicalAddressBits) }),
  };
}

/** The content of a registers file with these registers, which {@link readRegisters} reads back as they are. */
export function formatRegisters(registers: Registers, source: string): string {
  const { architecture, ...rest } = registers;
  const values = Object.entries(rest).map(([key, value]) => [
    key,
    typeof value === 'bigint' ? hex(value) : value,
  ]);
  return `${JSON.stringify({ arch: architecture, ...Object.fromEntries(values), source }, undefined, 2)}\n`;
}
