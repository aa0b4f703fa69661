/** The AArch64 part of PROTOCOL.md: what the stub of this folder adds to or narrows of `../protocol.ts`. */

/** The stub's region: 2 MiB of guest physical memory, aligned to its size. */
export const REGION_BYTES = 0x20_0000;
/** Offset of the tables that map the stub. */
export const TABLES_OFFSET = 0x2_0000;
/** Where they are instead when others are in force meanwhile. */
export const OTHER_TABLES_OFFSET = 0x5_0000;
export const PROBE_WINDOW_OFFSET = 0x8_0000;
export const RESULT_WINDOW_OFFSET = 0x10_0000;
/** Probes that fit in the windows. */
export const MAX_BATCH = 16_384;

/** Bytes of the region that are mapped read-only and executable, in whole pages of every granule. */
export const CODE_BYTES = 0x1_0000;
/** Offset in the stub's virtual mapping where the first {@link CODE_BYTES} of the region are mapped again, writable. */
export const ALIAS_OFFSET = 0x1f_0000;

/** Values of COMMAND. */
export const Command = {
  /** Install REGISTERS, invalidate the TLBs, run COUNT probes. */
  Run: 0,
  /** Move to the region at REGISTERS[STUB]. */
  Move: 1,
  /** Run COUNT probes under what is installed and whatever the TLBs hold. */
  ProbeKeepTlb: 2,
  /** Carry out COUNT {@link Operation}s. */
  Operate: 3,
  /** No more of these two follow: EL3 leaves the tables under test. */
  EndLive: 4,
} as const;

/** What COMMAND 3 can do: TLB maintenance as the mappings ask for it, and MSR to a base register. */
export const Operation = {
  DsbIshst: 0,
  DsbIsh: 1,
  Isb: 2,
  Vaae1is: 3,
  Vae2is: 4,
  Vae3is: 5,
  Ipas2e1is: 6,
  Vmalle1is: 7,
  Vmalls12e1is: 8,
  Alle1is: 9,
  Alle2is: 10,
  Alle3is: 11,
  Ttbr0El1: 12,
  Ttbr1El1: 13,
  Ttbr0El2: 14,
  Ttbr1El2: 15,
  Ttbr0El3: 16,
  VttbrEl2: 17,
} as const;
export type Operation = (typeof Operation)[keyof typeof Operation];

/** Offsets inside the control block that only this stub has. */
export const AArch64Control = {
  /** u64: ESR_EL3 with bit 63 set if the processor came back to the monitor in another way than the end of a batch. */
  FailureSyndrome: 0x80,
  /** u64: ELR_EL3 of that. */
  FailureInstruction: 0x88,
  /** u64: FAR_EL3 of that. */
  FailureAddress: 0x90,
  /** u64: ID_AA64MMFR0_EL1. */
  MemoryFeatures: 0x98,
} as const;

/** Indices into REGISTERS of the control block. */
export const Register = {
  /** The exception level under test. */
  Level: 0,
  /** The stub's virtual address; for {@link Command}.Move the physical address of the region to move to. */
  Stub: 1,
  Sctlr: 2,
  Ttbr0: 3,
  Ttbr1: 4,
  Tcr: 5,
  Mair: 6,
  HcrEl2: 7,
  /** Physical address from which on there is no memory; 0 if that is not known. */
  MemoryEnd: 8,
  ScrEl3: 9,
  /** EL3 only: TTBR0 of tables that map the region where it physically is and where the loop sees itself. */
  Bridge: 10,
  /** With stage 2: VTCR_EL2 and VTTBR_EL2. */
  Vtcr: 11,
  Vttbr: 12,
  /** EL3 only: not 0 if its MMU stays on, under the tables under test, at the end of a batch. */
  Live: 13,
} as const;
export const REGISTER_COUNT = 14;

/** VECTOR of a fetch that the stub did not make, because what stands there is not harmless to execute. */
export const VECTOR_REFUSED = 0xfffd;
/** VECTOR of a write or fetch that the stub did not make, because stage 2 forbids to read what stands there. */
export const VECTOR_UNREADABLE = 0xfffc;
/** VECTOR of a fault of stage 2, which EL2 took: EXTRA is ELR_EL2[15:0], INSTRUCTION is HPFAR_EL2. */
export const VECTOR_STAGE_TWO = 0x100;
/** VECTOR of a synchronous exception from the level that the loop runs at, and from EL0 (Arm ARM D1.4.1, offset / 0x80). */
export const VECTOR_SAME_LEVEL = 4;
export const VECTOR_USER = 8;

/** A write probe stores one byte at this offset of its slot; FAR says so. */
export const WRITE_OFFSET = 7;

/** Offsets inside a probe record (src/access-list.ts). */
export const ProbeRecord = { Address: 0, Access: 8, Privilege: 9, Flags: 10 } as const;

/**
 * Flag of a probe record, beside those of src/access-list.ts: what stands in the slot is loaded whatever AT says, which
 * walks the tables and need not know what a TLB holds.
 */
export const FLAG_LOAD_ALWAYS = 0x80;

/** Bytes of the control block. */
export const CONTROL_BYTES = 0x1000;
