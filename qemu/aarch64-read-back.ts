import { type CopiedRoot, ENTRY_BYTES, type Installation } from '../guest-stubs/aarch64/stub-plan.ts';
import type { GuestRam } from './guest-ram.ts';

/**
 * Puts what the processor changed in the copy of a root table (access flags, dirty state) into the original.
 * The borrowed entry is left out.
 */
export function mergeRoot(
  ram: GuestRam,
  region: number,
  root: CopiedRoot,
  which: 0 | 1,
  { tables, tablesOffset }: Installation,
): void {
  const copy = new Uint8Array(root.bytes);
  ram.read(region + tablesOffset, copy);
  for (let at = 0; at < root.bytes; at += ENTRY_BYTES) {
    if (at === root.slots[which] * ENTRY_BYTES) continue;
    const entry = copy.subarray(at, at + ENTRY_BYTES);
    if (Buffer.compare(entry, tables.subarray(at, at + ENTRY_BYTES)) !== 0)
      ram.write(root.address + at, entry);
  }
}
