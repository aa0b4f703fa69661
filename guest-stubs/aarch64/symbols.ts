// Generated from stub.s by `npm run stubs`. Do not edit.

/** Offsets of the stub's labels in its region. */
export const Symbols = {
  start: 0x0,
  run_el1: 0x2000,
  read_el1: 0x20c0,
  write_el1: 0x20f8,
  exception_el1: 0x2160,
  fault_el1: 0x216c,
  batch_end_el1: 0x21cc,
  run_el2: 0x21d0,
  read_el2: 0x2278,
  write_el2: 0x2298,
  exception_el2: 0x22ec,
  fault_el2: 0x22f8,
  batch_end_el2: 0x2358,
  read_el0: 0x235c,
  write_el0: 0x2364,
} as const;
