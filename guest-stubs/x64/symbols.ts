// Generated from stub.s by `npm run stubs`. Do not edit.

/** Offsets of the stub's labels in its region. */
export const Symbols = {
  reset: 0x0,
  reset_base: 0x3,
  entry: 0xb4,
  batch: 0x223,
  next_probe: 0x2ab,
  supervisor_read: 0x308,
  probe_completed: 0x318,
  advance: 0x353,
  supervisor_write_load: 0x368,
  supervisor_write_store: 0x370,
  batch_end: 0x4d7,
  record_fault: 0x7a0,
  user_completed: 0x800,
  user_done: 0x1010,
  user_write_load: 0x101a,
  user_write_store: 0x1022,
  current_probe: 0x30d8,
  current_result: 0x30e0,
} as const;
