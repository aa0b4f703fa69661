import { FRAME_SIZE } from '../../../src/addresses.ts';
import type { PhysicalMemory } from '../../../src/memory/physical-memory.ts';
import type { Registers, X64Registers } from '../../../src/registers.ts';
import {
  ELF_CLASS_64,
  ELF_HEADER_BYTES,
  ELF_LITTLE_ENDIAN,
  ELF_MAGIC,
  ELF_TYPE_CORE,
  ELF_VERSION,
  ElfHeader,
  ElfMachine,
  NOTE_HEADER_BYTES,
  PN_XNUM,
  PROGRAM_HEADER_BYTES,
  ProgramHeader,
  SegmentType,
} from './elf.ts';
import { padded } from './elf-core.ts';
import { QEMU_NOTE_NAME, QEMU_NOTE_VERSION, QemuCpuState } from './qemu-note.ts';

/**
 * An ELF core as `dump-guest-memory` would write it: a LOAD program header for each range, content at
 * page-aligned offsets; on x64 also the QEMU note with the control registers.
 * @throws RangeError for more than 65,533 ranges
 */
export function writeElfCore(memory: PhysicalMemory, registers: Registers): Uint8Array {
  const note = registers.architecture === 'x64' ? qemuNote(registers) : new Uint8Array(0);
  const headers = memory.ranges.length + (note.length > 0 ? 1 : 0);
  if (headers >= PN_XNUM) throw new RangeError(`${headers} ranges do not fit in an ELF core`);
  const noteAt = ELF_HEADER_BYTES + headers * PROGRAM_HEADER_BYTES;
  const contentAt = Math.ceil((noteAt + note.length) / FRAME_SIZE) * FRAME_SIZE;
  const frames = memory.ranges.reduce((sum, { frameCount }) => sum + frameCount, 0);
  const bytes = new Uint8Array(contentAt + frames * FRAME_SIZE);
  const data = new DataView(bytes.buffer);

  writeHeader(data, registers, headers);
  let at = ELF_HEADER_BYTES;
  if (note.length > 0) {
    writeProgramHeader(data, at, SegmentType.Note, noteAt, 0n, note.length);
    bytes.set(note, noteAt);
    at += PROGRAM_HEADER_BYTES;
  }
  let offset = contentAt;
  for (const { firstFrame, frameCount, words } of memory.ranges) {
    const size = frameCount * FRAME_SIZE;
    writeProgramHeader(data, at, SegmentType.Load, offset, BigInt(firstFrame) * BigInt(FRAME_SIZE), size);
    bytes.set(new Uint8Array(words.buffer, words.byteOffset, size), offset);
    at += PROGRAM_HEADER_BYTES;
    offset += size;
  }
  return bytes;
}

function writeHeader(data: DataView, registers: Registers, headers: number): void {
  data.setUint32(0, ELF_MAGIC, true);
  data.setUint8(ElfHeader.Class, ELF_CLASS_64);
  data.setUint8(ElfHeader.Data, ELF_LITTLE_ENDIAN);
  data.setUint8(ElfHeader.IdentVersion, ELF_VERSION);
  data.setUint16(ElfHeader.Type, ELF_TYPE_CORE, true);
  data.setUint16(
    ElfHeader.Machine,
    registers.architecture === 'x64' ? ElfMachine.X64 : ElfMachine.AArch64,
    true,
  );
  data.setUint32(ElfHeader.Version, ELF_VERSION, true);
  data.setBigUint64(ElfHeader.ProgramHeaderOffset, BigInt(ELF_HEADER_BYTES), true);
  data.setUint16(ElfHeader.HeaderSize, ELF_HEADER_BYTES, true);
  data.setUint16(ElfHeader.ProgramHeaderSize, PROGRAM_HEADER_BYTES, true);
  data.setUint16(ElfHeader.ProgramHeaderCount, headers, true);
}

function writeProgramHeader(
  data: DataView,
  at: number,
  type: number,
  offset: number,
  physicalAddress: bigint,
  size: number,
): void {
  data.setUint32(at + ProgramHeader.Type, type, true);
  data.setBigUint64(at + ProgramHeader.Offset, BigInt(offset), true);
  data.setBigUint64(at + ProgramHeader.PhysicalAddress, physicalAddress, true);
  data.setBigUint64(at + ProgramHeader.FileSize, BigInt(size), true);
  data.setBigUint64(at + ProgramHeader.MemorySize, BigInt(size), true);
}

function qemuNote(registers: X64Registers): Uint8Array {
  const nameSize = QEMU_NOTE_NAME.length + 1;
  const stateAt = NOTE_HEADER_BYTES + padded(nameSize);
  const bytes = new Uint8Array(stateAt + QemuCpuState.Bytes);
  const data = new DataView(bytes.buffer);
  data.setUint32(0, nameSize, true);
  data.setUint32(4, QemuCpuState.Bytes, true);
  bytes.set(new TextEncoder().encode(QEMU_NOTE_NAME), NOTE_HEADER_BYTES);
  data.setUint32(stateAt + QemuCpuState.Version, QEMU_NOTE_VERSION, true);
  data.setUint32(stateAt + QemuCpuState.Size, QemuCpuState.Bytes, true);
  data.setBigUint64(stateAt + QemuCpuState.Cr0, registers.cr0, true);
  data.setBigUint64(stateAt + QemuCpuState.Cr3, registers.cr3, true);
  data.setBigUint64(stateAt + QemuCpuState.Cr4, registers.cr4, true);
  return bytes;
}
