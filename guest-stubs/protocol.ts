/** The constants of PROTOCOL.md. Offsets are in bytes. */

export const STUB_REGION_BYTES = 0x40_0000;
export const STUB_REGION_ALIGNMENT = 0x20_0000;
export const CONTROL_OFFSET = 0x4000;
export const MACHINE_AREA_OFFSET = 0x1_0000;
export const PROBE_WINDOW_OFFSET = 0x10_0000;
export const RESULT_WINDOW_OFFSET = 0x20_0000;
/** Probes that fit in the windows: one batch at most. */
export const MAX_BATCH = 65_536;

export const PROTOCOL_MAGIC = 0x4355_4d4d;
export const PROTOCOL_VERSION = 1;

/** Offsets inside the control block. */
export const Control = {
  Magic: 0x00,
  Version: 0x04,
  Count: 0x08,
  Done: 0x0c,
  Exit: 0x10,
  Doorbell: 0x14,
  Ack: 0x18,
  Command: 0x1c,
  Probes: 0x20,
  Results: 0x28,
  T0: 0x30,
  T1: 0x38,
  ClockHz: 0x40,
  Registers: 0x100,
} as const;

export const ExitMode = { Stop: 0, LeaveEmulator: 1, Doorbell: 2 } as const;

export const RESULT_RECORD_BYTES = 32;
export const RESULT_RECORD_WORDS = RESULT_RECORD_BYTES / 4;

/** Offsets inside a result record. */
export const Result = {
  Value: 0,
  FaultAddress: 8,
  Syndrome: 16,
  Vector: 20,
  Extra: 22,
  Instruction: 24,
} as const;

/** VECTOR of an access that raised no exception. */
export const VECTOR_NONE = 0xffff;
/** VECTOR of a record that the guest has not written. */
export const VECTOR_UNWRITTEN = 0xfffe;
