// Generated from stub.s by `npm run stubs`. Do not edit.

/** Offsets of the stub's labels in its region. */
export const Symbols = {
  reset: 0x0,
  reset_base: 0x3,
  install: 0xb4,
  entry: 0x10c,
  batch: 0x27b,
  next_probe: 0x329,
  supervisor_read: 0x386,
  probe_completed: 0x396,
  advance: 0x3d1,
  supervisor_write_load: 0x3ec,
  supervisor_write_store: 0x3f3,
  batch_end: 0x559,
  record_fault: 0x860,
  user_completed: 0x8c0,
  user_done: 0x1010,
  user_write_load: 0x1020,
  user_write_store: 0x1027,
  current_probe: 0x30d8,
  current_result: 0x30e0,
} as const;
