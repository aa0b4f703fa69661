/** The x86_64 crate's mappers: typed pages and frames, flags, flush promises, and three ways to reach the tables. */
export * from './frame-allocator.ts';
export { MappedPageTable } from './mapped-page-table.ts';
export { Mapper, type Unmapped } from './mapper.ts';
export type { MapperOptions } from './mapper-context.ts';
export * from './mapper-flush.ts';
export { OffsetPageTable } from './offset-page-table.ts';
export { Page, PageRange } from './page.ts';
export * from './page-size.ts';
export {
  flagsFromBits,
  flagsToBits,
  type PageTableFlagBits,
  PageTableFlags,
  pageTableFlagNames,
} from './page-table-flags.ts';
export { PhysAddr } from './phys-addr.ts';
export { PhysFrame } from './phys-frame.ts';
export { RecursivePageTable } from './recursive-page-table.ts';
export type { TranslateResult } from './translate.ts';
export { VirtAddr } from './virt-addr.ts';
