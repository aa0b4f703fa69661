// Generated from stub.s by `npm run stubs`. Do not edit.

/** Offsets of the stub's labels in its region. */
export const Symbols = {
  reset: 0x0,
  reset_base: 0x3,
  install: 0xb4,
  entry: 0x10c,
  batch: 0x27b,
  next_probe: 0x30c,
  supervisor_read: 0x369,
  probe_completed: 0x379,
  advance: 0x3b4,
  supervisor_write_load: 0x3cf,
  supervisor_write_store: 0x3d6,
  batch_end: 0x546,
  record_fault: 0x850,
  user_completed: 0x8b0,
  user_done: 0x1010,
  user_write_load: 0x1020,
  user_write_store: 0x1027,
  current_probe: 0x30d8,
  current_result: 0x30e0,
} as const;
