// Generated from stub.s by `npm run stubs`. Do not edit.

/** Offsets of the stub's labels in its region. */
export const Symbols = {
  start: 0x0,
  run_el1: 0x2000,
  read_el1: 0x20dc,
  write_el1: 0x2120,
  exception_el1: 0x2194,
  fault_el1: 0x21a0,
  batch_end_el1: 0x2204,
  run_el2: 0x2208,
  read_el2: 0x22cc,
  write_el2: 0x22f8,
  exception_el2: 0x2358,
  fault_el2: 0x2364,
  batch_end_el2: 0x23c8,
  read_el0: 0x23cc,
  write_el0: 0x23d4,
} as const;
