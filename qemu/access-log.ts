import { closeSync, fstatSync, ftruncateSync, readSync } from 'node:fs';
import { MachineError } from '../harness/machine.ts';
import { hex } from '../src/addresses.ts';
import { openScratchFile } from './scratch-file.ts';

// `Invalid read at addr 0x4423E000, size 4, region '(null)', reason: rejected`
const READ_PREFIX = Buffer.from('Invalid read at addr 0x');
const WRITE_PREFIX = Buffer.from('Invalid write at addr 0x');
const SIZE_PREFIX = Buffer.from(', size ');
/** Where the prefixes differ. */
const KIND_OFFSET = 8;

const BYTE_R = 'r'.charCodeAt(0);
const BYTE_NEWLINE = '\n'.charCodeAt(0);

/** Bytes read at once. */
const CHUNK = 1 << 20;

/** Bytes after which the file is emptied as soon as that is possible. */
const LONG = 64 << 20;

/**
 * QEMU's log of guest errors (`-d guest_errors -D FILE`): every access that the MMU let pass and
 * that found no memory, with the physical address. QEMU writes each line at once, so what a guest has done
 * before the host sees its answer is in the file. Lines are read one by one, millions of them: {@link next} says
 * whether there is one, and its parts stand in `isWrite`, `size` and `address`.
 */
export class AccessLog {
  /** To be inherited by QEMU. */
  readonly descriptor: number;
  readonly #machine: string;
  /** Of the line that was read last. */
  isWrite = false;
  /** In bytes. */
  size = 0;
  /** The physical address. */
  address = 0;
  readonly #buffer = Buffer.alloc(CHUNK);
  /** Where in the buffer the line that was read last begins and ends, and where what was read from the file ends. */
  #lineStart = 0;
  #lineEnd = 0;
  #held = 0;
  /** Where in the file the buffer ends. */
  #position = 0;
  #freedUpTo = 0;
  #open = true;

  constructor(machine: string) {
    this.#machine = machine;
    this.descriptor = openScratchFile(machine, LONG).descriptor;
  }

  /**
   * Reads the next line.
   * @returns false if QEMU has written no other one by now
   * @throws MachineError 'failed' on a line that is no logged access: nothing can be said then
   */
  next(): boolean {
    const buffer = this.#buffer;
    let end = this.#newlineFrom(this.#lineEnd);
    if (end < 0) {
      if (!this.#refill()) return false;
      end = this.#newlineFrom(0);
      if (end < 0) return false;
    }
    const start = this.#lineEnd;
    this.#lineStart = start;
    this.#lineEnd = end + 1;
    const isRead = buffer[start + KIND_OFFSET] === BYTE_R;
    const prefix = isRead ? READ_PREFIX : WRITE_PREFIX;
    let at = start + prefix.length;
    let address = 0;
    for (let digit = hexDigit(buffer[at] as number); digit >= 0; digit = hexDigit(buffer[++at] as number)) {
      address = address * 16 + digit;
    }
    const size = hexDigit(buffer[at + SIZE_PREFIX.length] as number);
    if (size < 1 || !holds(buffer, start, prefix) || !holds(buffer, at, SIZE_PREFIX)) {
      throw this.#unreadable(buffer.toString('latin1', start, end));
    }
    this.isWrite = !isRead;
    this.size = size;
    this.address = address;
    return true;
  }

  /** Has {@link next} read the last line again. */
  putBack(): void {
    this.#lineEnd = this.#lineStart;
  }

  /**
   * To be called when the guest rests and what it has done was read.
   * @throws MachineError 'failed' if there is more
   */
  checkEnd(): void {
    if (this.next()) {
      const what = `${this.isWrite ? 'write' : 'read'} of ${this.size} bytes at ${hex(this.address)}`;
      throw new MachineError(
        this.#machine,
        'failed',
        `QEMU's log and the probes do not belong together: ${what} after the last of them`,
      );
    }
    if (this.#held > 0) throw this.#unreadable(this.#buffer.toString('latin1', 0, this.#held));
  }

  /** Passes over all lines that are there. */
  skip(): void {
    this.#position = fstatSync(this.descriptor).size;
    this.#held = 0;
    this.#lineEnd = 0;
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

  /** Where the line that begins at `start` of the buffer ends, −1 if that was not read yet. */
  #newlineFrom(start: number): number {
    const buffer = this.#buffer;
    const held = this.#held;
    for (let at = start; at < held; at++) if (buffer[at] === BYTE_NEWLINE) return at;
    return -1;
  }

  /** Moves what was not taken to the front of the buffer, and reads on behind it. @returns whether there was more */
  #refill(): boolean {
    const buffer = this.#buffer;
    buffer.copyWithin(0, this.#lineEnd, this.#held);
    this.#held -= this.#lineEnd;
    this.#lineEnd = 0;
    const count = readSync(this.descriptor, buffer, this.#held, CHUNK - this.#held, this.#position);
    this.#position += count;
    this.#held += count;
    return count > 0;
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

function holds(bytes: Uint8Array, start: number, expected: Uint8Array): boolean {
  for (let at = 0; at < expected.length; at++) if (bytes[start + at] !== expected[at]) return false;
  return true;
}
