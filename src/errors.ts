import { hex } from './addresses.ts';

/** Variants of `PtError` of patina-paging 11.0.6. */
export type PatinaErrorCode =
  | 'InvalidParameter'
  | 'OutOfResources'
  | 'NoMapping'
  | 'IncompatibleMemoryAttributes'
  | 'UnalignedPageBase'
  | 'UnalignedAddress'
  | 'UnalignedMemoryRange'
  | 'InvalidMemoryRange'
  | 'InconsistentMappingAcrossRange'
  | 'UnsupportedPagingType'
  | 'AdditionOverflow'
  | 'SubtractionUnderflow'
  | 'NonUniformMemoryAttributes'
  | 'InternalError'
  | 'AllocationFailure';

/** Variants of `MapError` of aarch64-paging 0.12.1. */
export type AArch64PagingErrorCode =
  | 'AddressRange'
  | 'InvalidVirtualAddress'
  | 'RegionBackwards'
  | 'PteUpdateFault'
  | 'InvalidFlags'
  | 'BreakBeforeMakeViolation';

/** Variants of the error enums of the x86_64 crate 0.15.4. */
export type X86_64ErrorCode =
  | 'VirtAddrNotValid'
  | 'PhysAddrNotValid'
  | 'PageNotAligned'
  | 'FrameNotAligned'
  | 'FrameAllocationFailed'
  | 'ParentEntryHugePage'
  | 'PageAlreadyMapped'
  | 'PageNotMapped'
  | 'InvalidFrameAddress'
  | 'NotMapped'
  | 'NotRecursive'
  | 'NotActive';

/** What only this engine says: the originals would read wild memory, panic, or cannot be asked. */
export type EngineErrorCode =
  | 'TableOutsideMemory'
  | 'NotInstalled'
  | 'FrameInUse'
  | 'InvalidRootLevel'
  | 'InvalidVaRange'
  | 'InvalidOffset';

export type PageTableErrorCode = PatinaErrorCode | AArch64PagingErrorCode | X86_64ErrorCode | EngineErrorCode;

/** The payload of an error: the original variant's fields, by name. */
export type ErrorDetails = Readonly<Record<string, bigint | number>>;

/**
 * A failed page-table operation. `code` is the original library's variant name, `details` its payload;
 * the message names the offending address and value.
 */
export class PageTableError extends Error {
  override readonly name = 'PageTableError';
  readonly code: PageTableErrorCode;
  readonly details: ErrorDetails;

  constructor(
    code: PageTableErrorCode,
    explanation: string,
    details: ErrorDetails = {},
    options?: ErrorOptions,
  ) {
    const payload = Object.entries(details).map(([field, value]) => `${field} ${hex(value)}`);
    super(`${code}: ${explanation}${payload.length > 0 ? ` (${payload.join(', ')})` : ''}`, options);
    this.code = code;
    this.details = details;
  }
}
