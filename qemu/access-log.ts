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

/** Bytes after which the file is emptied as soon as that is possible. */
const LONG = 64 << 20;

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
  #freedUpTo = 0;
  #open = true;

  constructor(machine: string) {
    this.#machine = machine;
    this.descriptor = openScratchFile(machine, LONG).descriptor;
  }

  /** Where QEMU has written to: give it to {@link drain} to take what a guest had done by now. */
  get end(): number {
    return fstatSync(this.descriptor).size;
  }

  /**
   * Takes the lines since the last call up to `end`, in order.
   * @throws MachineError 'failed' on a line that is no logged access: nothing can be said then
   */
  drain(end: number, take: LoggedAccess): void {
    const buffer = this.#buffer;
    let held = 0;
    while (this.#position < end) {
      const wanted = Math.min(CHUNK - held, end - this.#position);
      const count = readSync(this.descriptor, buffer, held, wanted, this.#position);
      this.#position += count;
      held += count;
      const used = this.#takeLines(buffer, held, take);
      buffer.copyWithin(0, used, held);
      held -= used;
      if (count === 0) break;
    }
    if (held > 0) throw this.#unreadable(buffer.toString('latin1', 0, held));
  }

  /** Passes over all lines that are there. */
  skip(): void {
    this.#position = this.end;
  }

  /** Whether the file is so long that it should be emptied. */
  get isLong(): boolean {
    return this.#position - this.#freedUpTo > LONG;
  }

  /** Gives the space back. Only while the guest rests and after everything was taken. */
  empty(): void {
    // QEMU goes on writing behind; what is before becomes a hole.
    ftruncateSync(this.descriptor, 0);
    this.#freedUpTo = this.#position;
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
