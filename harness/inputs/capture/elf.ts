/**
 * The parts of ELF64 that a core of guest memory has (System V gABI, chapters 4 and 5). Offsets are in bytes.
 */

export const ELF_MAGIC = 0x464c_457f;
export const ELF_HEADER_BYTES = 64;
export const PROGRAM_HEADER_BYTES = 56;
/** e_phnum for "the number stands in sh_info of section header 0". */
export const PN_XNUM = 0xffff;

export const ElfHeader = {
  Class: 4,
  Data: 5,
  IdentVersion: 6,
  Type: 16,
  Machine: 18,
  Version: 20,
  ProgramHeaderOffset: 32,
  SectionHeaderOffset: 40,
  HeaderSize: 52,
  ProgramHeaderSize: 54,
  ProgramHeaderCount: 56,
} as const;

export const ProgramHeader = {
  Type: 0,
  Offset: 8,
  PhysicalAddress: 24,
  FileSize: 32,
  MemorySize: 40,
} as const;

/** Offset of sh_info in a section header. */
export const SECTION_INFO = 44;

export const ELF_CLASS_64 = 2;
export const ELF_LITTLE_ENDIAN = 1;
export const ELF_VERSION = 1;
export const ELF_TYPE_CORE = 4;
export const SegmentType = { Load: 1, Note: 4 } as const;
export const ElfMachine = { X64: 62, AArch64: 183 } as const;

/** Sizes of a note's three leading words; name and descriptor follow, each padded to 4 bytes. */
export const NOTE_HEADER_BYTES = 12;
