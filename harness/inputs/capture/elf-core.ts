import { hex } from '../../../src/addresses.ts';
import type { Architecture } from '../../../src/registers.ts';
import { InputError } from '../input-error.ts';
import {
  ELF_CLASS_64,
  ELF_HEADER_BYTES,
  ELF_LITTLE_ENDIAN,
  ELF_MAGIC,
  ELF_TYPE_CORE,
  ElfHeader,
  ElfMachine,
  NOTE_HEADER_BYTES,
  PN_XNUM,
  PROGRAM_HEADER_BYTES,
  ProgramHeader,
  SECTION_INFO,
  SegmentType,
} from './elf.ts';

/** Physical memory that a core holds. */
export interface CoreSegment {
  /** Number of its program header, for messages. */
  readonly index: number;
  readonly physicalAddress: bigint;
  /** Offset of its bytes in the file. */
  readonly offset: number;
  /** Bytes in the file. What the header's memory size has beyond them was not captured. */
  readonly size: number;
}

export interface CoreNote {
  readonly name: string;
  readonly type: number;
  readonly descriptor: DataView;
}

/** An ELF core, taken apart. */
export interface ElfCore {
  readonly architecture: Architecture;
  /** The file's bytes, into which the segments point. */
  readonly bytes: Uint8Array;
  /** In the order of the program headers. */
  readonly segments: readonly CoreSegment[];
  readonly notes: readonly CoreNote[];
}

/** Whether bytes begin as an ELF file does. */
export function isElf(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && view(bytes).getUint32(0, true) === ELF_MAGIC;
}

/**
 * Takes an ELF64 little-endian core of an x64 or AArch64 guest apart.
 * @throws InputError if it is not one, or its headers point outside the file
 */
export function readElfCore(file: string, bytes: Uint8Array): ElfCore {
  const data = view(bytes);
  const architecture = checkHeader(file, bytes, data);
  const segments: CoreSegment[] = [];
  const notes: CoreNote[] = [];
  for (const { index, type, offset, physicalAddress, size } of programHeaders(file, data)) {
    if (type !== SegmentType.Load && type !== SegmentType.Note) continue;
    if (offset + size > BigInt(bytes.length)) {
      throw new InputError(
        file,
        `program header ${index} has ${hex(size)} bytes at offset ${hex(offset)}, but the file ends at ${hex(bytes.length)}: it is truncated`,
      );
    }
    const place = { offset: Number(offset), size: Number(size) };
    if (type === SegmentType.Note) notes.push(...readNotes(file, bytes, place.offset, place.size));
    else if (place.size > 0) segments.push({ index, physicalAddress, ...place });
  }
  if (segments.length === 0) throw new InputError(file, 'the core holds no memory (no LOAD program header)');
  return { architecture, bytes, segments, notes };
}

function checkHeader(file: string, bytes: Uint8Array, data: DataView): Architecture {
  if (!isElf(bytes)) throw new InputError(file, 'not an ELF file');
  if (bytes.length < ELF_HEADER_BYTES) {
    throw new InputError(file, `an ELF file of only ${bytes.length} bytes: it is truncated`);
  }
  if (bytes[ElfHeader.Class] !== ELF_CLASS_64) {
    throw new InputError(file, 'a 32-bit ELF file; captures are ELF64');
  }
  if (bytes[ElfHeader.Data] !== ELF_LITTLE_ENDIAN) {
    throw new InputError(file, 'a big-endian ELF file; captures are little-endian');
  }
  const type = data.getUint16(ElfHeader.Type, true);
  if (type !== ELF_TYPE_CORE) throw new InputError(file, `an ELF file of type ${type}, not a core (type 4)`);
  const machine = data.getUint16(ElfHeader.Machine, true);
  if (machine === ElfMachine.X64) return 'x64';
  if (machine === ElfMachine.AArch64) return 'aarch64';
  throw new InputError(file, `a core of machine ${machine}; expected 62 (x86-64) or 183 (AArch64)`);
}

interface Header {
  readonly index: number;
  readonly type: number;
  readonly offset: bigint;
  readonly physicalAddress: bigint;
  readonly size: bigint;
}

function programHeaders(file: string, data: DataView): Header[] {
  const count = programHeaderCount(file, data);
  if (count === 0) throw new InputError(file, 'the core has no program headers');
  const stride = data.getUint16(ElfHeader.ProgramHeaderSize, true);
  if (stride < PROGRAM_HEADER_BYTES) {
    throw new InputError(file, `program headers of ${stride} bytes; ELF64 has ${PROGRAM_HEADER_BYTES}`);
  }
  const start = data.getBigUint64(ElfHeader.ProgramHeaderOffset, true);
  if (start + BigInt(count * stride) > BigInt(data.byteLength)) {
    throw new InputError(
      file,
      `${count} program headers at offset ${hex(start)}, but the file ends at ${hex(data.byteLength)}: it is truncated`,
    );
  }
  return Array.from({ length: count }, (_, index) => {
    const at = Number(start) + index * stride;
    const size = data.getBigUint64(at + ProgramHeader.FileSize, true);
    const memorySize = data.getBigUint64(at + ProgramHeader.MemorySize, true);
    const type = data.getUint32(at + ProgramHeader.Type, true);
    if (type === SegmentType.Load && size > memorySize) {
      throw new InputError(
        file,
        `program header ${index} has ${hex(size)} bytes in the file for ${hex(memorySize)} bytes of memory`,
      );
    }
    return {
      index,
      type,
      offset: data.getBigUint64(at + ProgramHeader.Offset, true),
      physicalAddress: data.getBigUint64(at + ProgramHeader.PhysicalAddress, true),
      size,
    };
  });
}

function programHeaderCount(file: string, data: DataView): number {
  const count = data.getUint16(ElfHeader.ProgramHeaderCount, true);
  if (count !== PN_XNUM) return count;
  const section = data.getBigUint64(ElfHeader.SectionHeaderOffset, true);
  if (section === 0n || section + BigInt(SECTION_INFO + 4) > BigInt(data.byteLength)) {
    throw new InputError(
      file,
      'the number of program headers should stand in section header 0, which is not there',
    );
  }
  return data.getUint32(Number(section) + SECTION_INFO, true);
}

function readNotes(file: string, bytes: Uint8Array, offset: number, size: number): CoreNote[] {
  const data = view(bytes.subarray(offset, offset + size));
  const notes: CoreNote[] = [];
  for (let at = 0; at + NOTE_HEADER_BYTES <= size; ) {
    const nameSize = data.getUint32(at, true);
    const descriptorSize = data.getUint32(at + 4, true);
    const nameAt = at + NOTE_HEADER_BYTES;
    const descriptorAt = nameAt + padded(nameSize);
    if (descriptorAt + descriptorSize > size) {
      throw new InputError(file, `the note at offset ${hex(offset + at)} ends beyond its segment`);
    }
    const name = bytes.subarray(offset + nameAt, offset + nameAt + nameSize);
    notes.push({
      name: String.fromCharCode(...name.subarray(0, 64)).replace(/\0.*$/s, ''),
      type: data.getUint32(at + 8, true),
      descriptor: new DataView(data.buffer, data.byteOffset + descriptorAt, descriptorSize),
    });
    at = descriptorAt + padded(descriptorSize);
  }
  return notes;
}

/** The size of a note's part with its padding. */
export function padded(size: number): number {
  return Math.ceil(size / 4) * 4;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
