// Generated from stub.s by `npm run stubs`. Do not edit.

/** Offsets of the stub's labels in its region. */
export const Symbols = {
  start: 0x0,
  run_el1: 0x2800,
  read_el1: 0x28dc,
  write_el1: 0x2920,
  exception_el1: 0x2994,
  fault_el1: 0x29a0,
  batch_end_el1: 0x2a04,
  run_el2: 0x2a08,
  read_el2: 0x2ae4,
  write_el2: 0x2b28,
  exception_el2: 0x2b9c,
  fault_el2: 0x2ba8,
  batch_end_el2: 0x2c0c,
  run_el3: 0x2c10,
  read_el3: 0x2cd4,
  write_el3: 0x2d00,
  exception_el3: 0x2d60,
  fault_el3: 0x2d6c,
  batch_end_el3: 0x2dd0,
  read_el0: 0x2dd4,
  write_el0: 0x2ddc,
} as const;
