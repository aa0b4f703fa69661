/**
 * Memory attributes as Patina and the UEFI specification define them (EFI_MEMORY_*, UEFI 2.10 §7.2.3),
 * with the bit values of `patina_paging::MemoryAttributes`.
 */
export const MemoryAttributes = {
  None: 0,
  Uncached: 0x1,
  WriteCombining: 0x2,
  WriteThrough: 0x4,
  Writeback: 0x8,
  UncachedExport: 0x10,
  WriteProtect: 0x1000,
  ReadProtect: 0x2000,
  ExecuteProtect: 0x4000,
  ReadOnly: 0x20000,
  Supervisor: 0x40000,
} as const;

/** Bits of {@link MemoryAttributes}, or-ed. */
export type MemoryAttributeBits = number;

/** Bits that choose a cache type; write-protect is the cache type WP, not an access restriction. */
export const CACHE_ATTRIBUTES: MemoryAttributeBits =
  MemoryAttributes.Uncached |
  MemoryAttributes.WriteCombining |
  MemoryAttributes.WriteThrough |
  MemoryAttributes.Writeback |
  MemoryAttributes.UncachedExport |
  MemoryAttributes.WriteProtect;

/** Bits that restrict access. */
export const ACCESS_ATTRIBUTES: MemoryAttributeBits =
  MemoryAttributes.ReadProtect |
  MemoryAttributes.ExecuteProtect |
  MemoryAttributes.ReadOnly |
  MemoryAttributes.Supervisor;

const NAMES: readonly (readonly [MemoryAttributeBits, string])[] = [
  [MemoryAttributes.Uncached, 'uncached'],
  [MemoryAttributes.WriteCombining, 'write-combining'],
  [MemoryAttributes.WriteThrough, 'write-through'],
  [MemoryAttributes.Writeback, 'writeback'],
  [MemoryAttributes.UncachedExport, 'uncached-export'],
  [MemoryAttributes.WriteProtect, 'write-protect'],
  [MemoryAttributes.ReadProtect, 'read-protect'],
  [MemoryAttributes.ExecuteProtect, 'execute-protect'],
  [MemoryAttributes.ReadOnly, 'read-only'],
  [MemoryAttributes.Supervisor, 'supervisor'],
];

/** The kebab-case names that layout files use, in the order of the bits. */
export const MEMORY_ATTRIBUTE_NAMES: readonly string[] = NAMES.map(([, name]) => name);

/** The bit of a kebab-case name, or undefined. */
export function memoryAttributeByName(name: string): MemoryAttributeBits | undefined {
  return NAMES.find(([, candidate]) => candidate === name)?.[0];
}

/** The kebab-case names of the bits that are set. */
export function memoryAttributeNames(attributes: MemoryAttributeBits): string[] {
  return NAMES.filter(([bit]) => (attributes & bit) !== 0).map(([, name]) => name);
}
