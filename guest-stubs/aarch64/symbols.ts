// Generated from stub.s by `npm run stubs`. Do not edit.

/** Offsets of the stub's labels in its region. */
export const Symbols = {
  start: 0x0,
  run_el1: 0x2000,
  read_el1: 0x20d4,
  write_el1: 0x210c,
  exception_el1: 0x2174,
  fault_el1: 0x2180,
  batch_end_el1: 0x21e0,
  run_el2: 0x21e4,
  read_el2: 0x22a0,
  write_el2: 0x22c0,
  exception_el2: 0x2314,
  fault_el2: 0x2320,
  batch_end_el2: 0x2380,
  read_el0: 0x2384,
  write_el0: 0x238c,
} as const;
