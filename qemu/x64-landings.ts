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
 * @param end where in the log the batch ends
 * @param landings the frame number per record, or {@link NOT_LOGGED}
 * @throws MachineError 'failed' if lines and probes do not belong together
 */
export function readLandings(
  machine: string,
  log: AccessLog,
  end: number,
  batch: X64Batch,
  groupSize: number,
  markerFrame: number,
  landings: Float64Array,
): void {
  landings.fill(NOT_LOGGED, 0, batch.length);
  let group = -1;
  const desynchronised = (what: string) =>
    new MachineError(machine, 'failed', `QEMU's log and the probes do not belong together: ${what}`);

  log.drain(end, (write, size, address) => {
    const frame = Math.floor(address / FRAME_SIZE);
    const offset = address % FRAME_SIZE;
    if (write && size === MARKER_BYTES && frame === markerFrame) {
      group++;
      if (offset !== (group * groupSize * MARKER_BYTES) % FRAME_SIZE) {
        throw desynchronised(`marker ${group} at offset ${hex(offset)}`);
      }
      return;
    }
    if (!write && size === WALK_BYTES) return;
    const slot = Math.floor(offset / SLOT_BYTES);
    let position = group * groupSize + (groupSize === 1 ? 0 : slot);
    if (write && groupSize > 1 && position + 1 < batch.length && batch.storesAsRead(position + 1)) position++;
    if (group < 0 || position >= batch.length || batch.slot(position) !== slot) {
      throw desynchronised(
        `${write ? 'write' : 'read'} of ${size} bytes at ${hex(address)} in group ${group}`,
      );
    }
    if (!belongs(batch.access(position), write, size, offset % SLOT_BYTES)) {
      throw desynchronised(
        `${write ? 'write' : 'read'} of ${size} bytes at ${hex(address)} for probe ${position}`,
      );
    }
    const before = landings[position] as number;
    if (before !== NOT_LOGGED && before !== frame) {
      throw desynchronised(`probe ${position} at ${hex(before * FRAME_SIZE)} and at ${hex(address)}`);
    }
    landings[position] = frame;
  });
  const groups = Math.ceil(batch.length / groupSize);
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
