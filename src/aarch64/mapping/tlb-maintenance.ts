import { addressOfPage, hex } from '../../addresses.ts';

/** TLB invalidations of the inner shareable domain (Arm ARM D8.17). */
export type TlbiName =
  | 'VAAE1IS'
  | 'VAE2IS'
  | 'VAE3IS'
  | 'IPAS2E1IS'
  | 'VMALLE1IS'
  | 'VMALLS12E1IS'
  | 'ALLE1IS'
  | 'ALLE2IS'
  | 'ALLE3IS';

/** One instruction of TLB maintenance. */
export type TlbOperation =
  | { readonly kind: 'dsb'; readonly option: 'ISHST' | 'ISH' }
  | { readonly kind: 'isb' }
  | {
      readonly kind: 'tlbi';
      readonly name: TlbiName;
      /** The value of Xt: VA[55:12] or IPA[47:12] from bit 0, the ASID in bits 63:48; undefined if it takes none. */
      readonly operand: bigint | undefined;
    };

/** The instructions that make a change of live tables known to every processor, in order; empty if none is needed. */
export type TlbMaintenance = readonly TlbOperation[];

/** Nothing to do: the tables were not in use, or nothing changed. */
export const NO_MAINTENANCE: TlbMaintenance = Object.freeze([]);

const DSB_ISHST: TlbOperation = Object.freeze({ kind: 'dsb', option: 'ISHST' });
const DSB_ISH: TlbOperation = Object.freeze({ kind: 'dsb', option: 'ISH' });
const ISB: TlbOperation = Object.freeze({ kind: 'isb' });

/** From this many addresses on, everything is invalidated at once. */
export const MOST_ADDRESSES = 512;
/** VA[55:12] (Arm ARM C5.5, TLBI VAE1IS): bits 43:0 of the operand. */
const OPERAND_ADDRESS = (1n << 44n) - 1n;
const OPERAND_ASID_SHIFT = 48n;

/** How a regime invalidates; see TranslationRegime. */
export interface InvalidationRules {
  readonly invalidateAddress: TlbiName;
  readonly addressWithAsid: boolean;
  readonly invalidateAll: TlbiName;
  readonly invalidateCombined?: TlbiName;
  readonly invalidateOnDeactivate: TlbiName;
}

/** Gathers which translations a change may have left in the TLBs. */
export class StaleTranslations {
  readonly #rules: InvalidationRules;
  readonly #asid: number;
  /** Page number of relative page 0. */
  readonly #firstPage: number;
  readonly #pages: number[] = [];
  #count = 0;
  #written = false;

  /** @param firstPage page number of the table's first page */
  constructor(rules: InvalidationRules, asid: number, firstPage: number) {
    this.#rules = rules;
    this.#asid = asid;
    this.#firstPage = firstPage;
  }

  /** A descriptor was written that no TLB can hold. */
  written(): void {
    this.#written = true;
  }

  /** Whether all is invalidated at once, so that no more addresses need be told. */
  get isFull(): boolean {
    return this.#count > MOST_ADDRESSES;
  }

  /** A valid descriptor that translates `page`, relative to the table's first page, was changed. */
  changed(page: number): void {
    if (this.#count++ < MOST_ADDRESSES) this.#pages.push(page);
  }

  /** Gives the maintenance for what was gathered, and forgets it. */
  take(): TlbMaintenance {
    const maintenance = this.#maintenance();
    this.forget();
    return maintenance;
  }

  forget(): void {
    this.#pages.length = 0;
    this.#count = 0;
    this.#written = false;
  }

  #maintenance(): TlbMaintenance {
    if (this.#count === 0) return this.#written ? [DSB_ISHST, ISB] : NO_MAINTENANCE;
    const { invalidateAddress, invalidateAll, invalidateCombined } = this.#rules;
    if (this.#count > MOST_ADDRESSES) return invalidation([tlbi(invalidateAll)]);
    const operations = this.#pages.map((page) => tlbi(invalidateAddress, this.#operand(page)));
    return invalidateCombined === undefined
      ? invalidation(operations)
      : invalidation([...operations, DSB_ISH, tlbi(invalidateCombined)]);
  }

  #operand(page: number): bigint {
    const address = BigInt(this.#firstPage + page) & OPERAND_ADDRESS;
    return this.#rules.addressWithAsid ? address | (BigInt(this.#asid) << OPERAND_ASID_SHIFT) : address;
  }
}

/** What must follow when the tables of a regime are replaced by others. */
export function deactivationMaintenance(rules: InvalidationRules): TlbMaintenance {
  return invalidation([tlbi(rules.invalidateOnDeactivate)]);
}

/** A maintenance list in assembly, one instruction a line; operands as values. */
export function maintenanceText(maintenance: TlbMaintenance): string {
  return maintenance.map(operationText).join('\n');
}

/** The address that a by-address invalidation is about, sign-extended from VA[55]; undefined for the others. */
export function invalidatedAddress({
  operand,
}: TlbOperation & { readonly kind: 'tlbi' }): bigint | undefined {
  if (operand === undefined) return undefined;
  return BigInt.asUintN(64, BigInt.asIntN(56, addressOfPage(Number(operand & OPERAND_ADDRESS))));
}

function operationText(operation: TlbOperation): string {
  switch (operation.kind) {
    case 'dsb':
      return `dsb ${operation.option.toLowerCase()}`;
    case 'isb':
      return 'isb';
    case 'tlbi': {
      const name = `tlbi ${operation.name.toLowerCase()}`;
      return operation.operand === undefined ? name : `${name}, ${hex(operation.operand)}`;
    }
  }
}

function tlbi(name: TlbiName, operand?: bigint): TlbOperation {
  return { kind: 'tlbi', name, operand };
}

function invalidation(operations: readonly TlbOperation[]): TlbMaintenance {
  return [DSB_ISHST, ...operations, DSB_ISH, ISB];
}
