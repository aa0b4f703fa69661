import { STORED_BYTE } from '../guest-stubs/x64/control.ts';
import { SLOT_BYTES } from '../guest-stubs/x64/tags.ts';
import { MachineError } from '../harness/machine.ts';
import { Access } from '../src/access-list.ts';
import { FRAME_SIZE, hex } from '../src/addresses.ts';
import type { AccessLog } from './access-log.ts';
import type { X64Batch } from './x64-batch.ts';

/** The stub's markers, page walks, and the loads and stores of probes differ in size. */
const MARKER_BYTES = 8;
const WALK_BYTES = 8;

/** No line of the log belongs to the probe. */
export const NOT_LOGGED = -1;

/**
 * Reads from the log in which frames without memory the probes of a batch landed.
 *
 * Lines come in the order of the probes, and markers cut them into groups. Inside a group of up to 256
 * probes every probe has its own slot, and translation keeps an address's place in the page: so the slot in
 * the physical address names the probe; a write that has no load of its own shares the slot of the read before it.
 * A group of one needs no slot.
 * The log is read up to the first marker that is not the batch's, or to its end.
 * @param landings the frame number per record, or {@link NOT_LOGGED}
 * @throws MachineError 'failed' if lines and probes do not belong together
 */
export function readLandings(
  machine: string,
  log: AccessLog,
  batch: X64Batch,
  groupSize: number,
  markerFrame: number,
  landings: Float64Array,
): void {
  landings.fill(NOT_LOGGED, 0, batch.length);
  const groups = Math.ceil(batch.length / groupSize);
  let group = -1;
  const desynchronised = (what: string) =>
    new MachineError(machine, 'failed', `QEMU's log and the probes do not belong together: ${what}`);

  while (log.next()) {
    const { isWrite, size, address } = log;
    const frame = Math.floor(address / FRAME_SIZE);
    const offset = address - frame * FRAME_SIZE;
    if (isWrite && size === MARKER_BYTES && frame === markerFrame) {
      if (++group === groups) {
        log.putBack();
        return;
      }
      if (offset !== (group * groupSize * MARKER_BYTES) % FRAME_SIZE) {
        throw desynchronised(`marker ${group} at offset ${hex(offset)}`);
      }
      continue;
    }
    if (!isWrite && size === WALK_BYTES) continue;
    const slot = Math.floor(offset / SLOT_BYTES);
    let position = group * groupSize + (groupSize === 1 ? 0 : slot);
    if (isWrite && groupSize > 1 && position + 1 < batch.length && batch.storesAsRead(position + 1))
      position++;
    if (group < 0 || position >= batch.length || batch.slot(position) !== slot) {
      throw desynchronised(
        `${isWrite ? 'write' : 'read'} of ${size} bytes at ${hex(address)} in group ${group}`,
      );
    }
    if (!belongs(batch.access(position), isWrite, size, offset % SLOT_BYTES)) {
      throw desynchronised(
        `${isWrite ? 'write' : 'read'} of ${size} bytes at ${hex(address)} for probe ${position}`,
      );
    }
    const before = landings[position] as number;
    if (before !== NOT_LOGGED && before !== frame) {
      throw desynchronised(`probe ${position} at ${hex(before * FRAME_SIZE)} and at ${hex(address)}`);
    }
    landings[position] = frame;
  }
  if (group !== groups - 1) throw desynchronised(`${group + 1} of ${groups} markers`);
}

/** Whether a probe can cause such a line (PROTOCOL.md: what Read, Write and Execute touch). */
function belongs(access: Access, write: boolean, size: number, offset: number): boolean {
  switch (access) {
    case Access.Read:
      return !write && size === 4 && (offset === 0 || offset === 4);
    case Access.Write:
      return write ? size === 1 && offset === STORED_BYTE : size === 4 && (offset === 0 || offset === 4);
    case Access.Execute:
      return !write && size <= 4;
  }
}
