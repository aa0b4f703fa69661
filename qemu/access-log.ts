import { closeSync, fstatSync, ftruncateSync, readSync } from 'node:fs';
import { MachineError } from '../harness/machine.ts';
import { openScratchFile } from './scratch-file.ts';

/** What is done with one logged access. */
export type LoggedAccess = (write: boolean, size: number, address: number) => void;

/** `Invalid read at addr 0x4423E000, size 4, region '(null)', reason: rejected` */
const READ_PREFIX = 'Invalid read at addr 0x';
const WRITE_PREFIX = 'Invalid write at addr 0x';
const SIZE_SEPARATOR = ', size ';

const BYTE_R = 'r'.charCodeAt(0);
const BYTE_NEWLINE = '\n'.charCodeAt(0);

/** Bytes read at once. */
const CHUNK = 1 << 20;

/** A first guess at the space that one batch's log takes, in bytes. */
const EXPECTED_BYTES = 32 << 20;

/**
 * QEMU's log of guest errors (`-d guest_errors -D FILE`): every access that the MMU let pass and
 * that found no memory, with the physical address. QEMU writes each line at once, so what a guest has done
 * before the host sees its answer is in the file.
 */
export class AccessLog {
  /** To be inherited by QEMU. */
  readonly descriptor: number;
  readonly #machine: string;
  readonly #buffer = Buffer.alloc(CHUNK);
  #position = 0;
  #open = true;

  constructor(machine: string) {
    this.#machine = machine;
    this.descriptor = openScratchFile(machine, EXPECTED_BYTES).descriptor;
  }

  /**
   * Takes all lines since the last call, in order, and frees their space.
   * @throws MachineError 'failed' on a line that is no logged access: nothing can be said then
   */
  drain(take: LoggedAccess): void {
    const buffer = this.#buffer;
    let held = 0;
    for (;;) {
      const count = readSync(this.descriptor, buffer, held, CHUNK - held, this.#position);
      if (count === 0) break;
      this.#position += count;
      held += count;
      const used = this.#takeLines(buffer, held, take);
      buffer.copyWithin(0, used, held);
      held -= used;
    }
    if (held > 0) throw this.#unreadable(buffer.toString('latin1', 0, held));
    // QEMU goes on writing behind; what is before becomes a hole.
    if (fstatSync(this.descriptor).size > 0) ftruncateSync(this.descriptor, 0);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.descriptor);
  }

  /** Takes the complete lines among the first `length` bytes. @returns the number of bytes taken */
  #takeLines(bytes: Uint8Array, length: number, take: LoggedAccess): number {
    let start = 0;
    for (;;) {
      const end = bytes.indexOf(BYTE_NEWLINE, start);
      if (end === -1 || end >= length) return start;
      const read = bytes[start + 8] === BYTE_R;
      let at = start + (read ? READ_PREFIX.length : WRITE_PREFIX.length);
      let address = 0;
      for (let digit = hexDigit(bytes[at] as number); digit >= 0; digit = hexDigit(bytes[++at] as number)) {
        address = address * 16 + digit;
      }
      const size = hexDigit(bytes[at + SIZE_SEPARATOR.length] as number);
      if (bytes[start] !== 0x49 || bytes[at] !== 0x2c || size < 1) {
        throw this.#unreadable(Buffer.from(bytes.subarray(start, end)).toString('latin1'));
      }
      take(!read, size, address);
      start = end + 1;
    }
  }

  #unreadable(line: string): MachineError {
    return new MachineError(
      this.#machine,
      'failed',
      `QEMU logged "${line.slice(0, 200)}", which is no access to missing memory`,
    );
  }
}

/** The value of an upper-case hexadecimal digit, −1 for any other byte. */
function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  return byte >= 0x41 && byte <= 0x46 ? byte - 0x37 : -1;
}
