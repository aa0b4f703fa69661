/** The page-table engine: pure TypeScript, no emulator, no I/O. */
export { AArch64PageTable, type AArch64PageTableOptions } from './aarch64/aarch64-page-table.ts';
export * from './aarch64/mapping/index.ts';
export {
  type RootOfTables,
  type TranslationOptions,
  translationRegisters,
} from './aarch64/translation-registers.ts';
export { describeAArch64Fault } from './aarch64/walk-fault.ts';
export { aarch64MemoryTypeName } from './aarch64/walk-memory-type.ts';
export { regimeHasUser } from './aarch64/walk-regime.ts';
export { Access, AccessFlag, AccessList, Privilege } from './access-list.ts';
export { type Address, hex, toBigInt } from './addresses.ts';
export { type ErrorDetails, PageTableError, type PageTableErrorCode } from './errors.ts';
export { DEFAULT_LEAF_LIMIT, LeafList } from './leaf-list.ts';
export { FailingAllocator } from './memory/failing-allocator.ts';
export type { PageAllocator } from './memory/page-allocator.ts';
export { type MemoryRange, PhysicalMemory } from './memory/physical-memory.ts';
export { SequentialAllocator } from './memory/sequential-allocator.ts';
export {
  ACCESS_ATTRIBUTES,
  CACHE_ATTRIBUTES,
  type MemoryAttributeBits,
  MemoryAttributes,
  memoryAttributeByName,
  memoryAttributeNames,
} from './memory-attributes.ts';
export {
  HPFAR_NONE,
  HPFAR_OPEN,
  isStructuralFault,
  Known,
  OutcomeList,
  StructuralFault,
} from './outcome-list.ts';
export type { MappedRegion } from './patina/mapped-region.ts';
export type { MappedRegionCursor } from './patina/mapped-region-cursor.ts';
export { type PageTableOptions, PatinaPageTable } from './patina/page-table.ts';
export { PagingType } from './patina/paging-type.ts';
export { type Permissions, permissionText, type Rights } from './permissions.ts';
export {
  type AArch64Registers,
  type Architecture,
  DEFAULT_PAT,
  type ExceptionLevel,
  type Registers,
  type X64Registers,
} from './registers.ts';
export type { TableInstaller } from './table-installer.ts';
export type {
  AccessRequest,
  CompletedAccess,
  FaultedAccess,
  TableOutsideMemory,
  Translation,
  WalkStep,
} from './translation.ts';
export { createWalker, type Walker } from './walker.ts';
export * from './x64/mapper/index.ts';
export { AccessedDirtyPrediction, type AccessedDirtyProblem, EntryMark } from './x64/walk-accessed-dirty.ts';
export { describeX64Fault, x64MemoryTypeName } from './x64/walk-fault.ts';
export { X64PageTable, type X64PageTableOptions } from './x64/x64-page-table.ts';
