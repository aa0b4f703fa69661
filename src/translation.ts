import type { AArch64FaultFields } from './aarch64/walk-fault.ts';
import type { Access, Privilege } from './access-list.ts';
import type { Address } from './addresses.ts';
import type { Permissions } from './permissions.ts';
import type { X64FaultFields } from './x64/walk-fault.ts';

/** One access to one byte. */
export interface AccessRequest {
  readonly address: Address;
  readonly access: Access;
  readonly privilege: Privilege;
  /** Bits of `AccessFlag`; default none. */
  readonly flags?: number;
  /** PKRU of the access (x64, with `AccessFlag.ProtectionKeys`). */
  readonly pkru?: number;
}

/** What becomes of one access. */
export type Translation = CompletedAccess | FaultedAccess | TableOutsideMemory;

/** The access goes to memory. */
export interface CompletedAccess {
  readonly kind: 'completes';
  readonly physicalAddress: bigint;
  /** Level of the leaf: x64 1 (PT) to 3 (PDPT); AArch64 −1 to 3. */
  readonly level: number;
  /** "PT", "level 2". */
  readonly levelName: string;
  /** Size of the leaf in bytes. */
  readonly pageSize: bigint;
  /** As in `OutcomeList.memoryType`. */
  readonly memoryType: number;
  /** "WB"; "normal write-back, inner shareable". */
  readonly memoryTypeName: string;
  /** What the translation allows under the flags of this access. */
  readonly permissions: Permissions;
}

/** The access ends in an exception. */
export interface FaultedAccess {
  readonly kind: 'faults';
  /** As in `OutcomeList.fault`. */
  readonly fault: number;
  /** CR2 / FAR; undefined for the x64 exceptions that have none. */
  readonly faultAddress: bigint | undefined;
  /** AArch64: present if stage 2 raised it; with HPFAR_EL2 where the architecture defines it. */
  readonly stageTwo?: { readonly hpfar: bigint | undefined };
  /** The fields of `fault`. */
  readonly decoded: X64FaultFields | AArch64FaultFields;
  /** "#PF error code 0x3 (P, W)"; "data abort, same EL, permission fault level 3, write". */
  readonly description: string;
}

/** The walk needs an entry of a table where no memory is. */
export interface TableOutsideMemory {
  readonly kind: 'table-outside-memory';
  /** Physical address of the entry that is not there. */
  readonly entryAddress: bigint;
  readonly level: number;
  readonly levelName: string;
}

/** One level of a walk. */
export interface WalkStep {
  /** x64: 5 (PML5) to 1 (PT); AArch64: −1 to 3. */
  readonly level: number;
  /** "PML5", "PML4", "PDPT", "PD", "PT"; "level 0". */
  readonly levelName: string;
  /** Physical address of the table. */
  readonly tableAddress: bigint;
  /** Index of the entry in the table. */
  readonly index: number;
  /** Physical address of the entry. */
  readonly entryAddress: bigint;
  /** The raw entry; undefined where no memory is. */
  readonly entry: bigint | undefined;
  /** Whether the entry leads on to a table, is the leaf, or ends the walk in a fault. */
  readonly kind: 'table' | 'leaf' | 'fault';
  /** Names of the bits that are set and mean something at this level. */
  readonly flags: readonly string[];
  /** What this level takes away from every access below: "write", "user access", "execute". */
  readonly forbids: readonly string[];
  /** Address of the next table, or of the page for a leaf. */
  readonly next: bigint | undefined;
  /** Why the walk ends here in a fault. */
  readonly problem: string | undefined;
  /** Of a leaf: what all levels together allow, without EFLAGS.AC and with PKRU = 0. */
  readonly permissions: Permissions | undefined;
}
