/** aarch64-paging's mappings: typed regimes and attributes, live changes with the TLB maintenance that they need. */
export { AttributeKind } from './attribute-words.ts';
export {
  type AttributeBits,
  type El1AttributeBits,
  El1Attributes,
  type El23AttributeBits,
  El23Attributes,
  type Stage2AttributeBits,
  Stage2Attributes,
} from './attributes.ts';
export type { BrokenRange } from './broken-range.ts';
export { type ConstraintBits, Constraints } from './constraints.ts';
export type { Descriptor, UpdatableDescriptor } from './descriptor.ts';
export { IdMap } from './id-map.ts';
export { LinearMap, type LinearMapOptions } from './linear-map.ts';
export { Mair, MairAttribute, type MairAttributeBits, NormalMemory } from './mair.ts';
export { Mapping } from './mapping.ts';
export { MemoryRegion } from './memory-region.ts';
export { Processor } from './processor.ts';
export {
  type AttributesOf,
  El1And0,
  El2,
  El2And0,
  El3,
  Stage2,
  type TranslationRegime,
  VaRange,
} from './regime.ts';
export { RootTable } from './root-table.ts';
export type { GranuleName } from './table-geometry.ts';
export { type MappingOptions, TableMapping } from './table-mapping.ts';
export type { TableOptions } from './table-options.ts';
export { TargetAllocator } from './target-allocator.ts';
export {
  invalidatedAddress,
  maintenanceText,
  type TlbiName,
  type TlbMaintenance,
  type TlbOperation,
} from './tlb-maintenance.ts';
