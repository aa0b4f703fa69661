import { AccessList } from './access-list.ts';
import { toBigInt } from './addresses.ts';
import { OutcomeList, StructuralFault } from './outcome-list.ts';
import type { AccessRequest, CompletedAccess, FaultedAccess, Translation } from './translation.ts';

/** The level at which a walk ended. */
export interface WalkLevel {
  readonly level: number;
  readonly levelName: string;
}

/** What an architecture adds to the columns of one outcome to make a {@link Translation} of it. */
export interface TranslationDetails {
  predict(accesses: AccessList, outcomes: OutcomeList): void;
  /** Where the walk of the last prediction ended. */
  level(): WalkLevel;
  /** What is to be said about a completed access. */
  completion(
    request: AccessRequest,
    memoryType: number,
  ): Pick<CompletedAccess, 'pageSize' | 'memoryTypeName' | 'permissions'>;
  /** What is to be said about a fault. */
  fault(
    fault: number,
    hpfar: bigint | undefined,
  ): Pick<FaultedAccess, 'decoded' | 'description' | 'stageTwo'> & { readonly hasAddress: boolean };
}

/** Predicts one access through the bulk form, so that both say the same. */
export function translateOne(request: AccessRequest, details: TranslationDetails): Translation {
  const address = toBigInt(request.address);
  const accesses = new AccessList(1);
  accesses.set(
    0,
    Number(address & 0xffff_ffffn),
    Number(address >> 32n),
    request.access,
    request.privilege,
    request.flags,
    request.pkru,
  );
  const outcomes = new OutcomeList(1);
  details.predict(accesses, outcomes);
  const fault = outcomes.fault[0] as number;
  const physicalAddress = outcomes.physicalAddress[0] as number;
  if (fault === 0) {
    const memoryType = outcomes.memoryType[0] as number;
    return {
      kind: 'completes',
      physicalAddress: BigInt(physicalAddress),
      ...details.level(),
      memoryType,
      ...details.completion(request, memoryType),
    };
  }
  if (fault === StructuralFault.TableOutsideMemory) {
    return { kind: 'table-outside-memory', entryAddress: BigInt(physicalAddress), ...details.level() };
  }
  const { hasAddress, ...said } = details.fault(fault, outcomes.hpfar?.[0]);
  const faultAddress = hasAddress ? (outcomes.faultAddress[0] as bigint) : undefined;
  return { kind: 'faults', fault, faultAddress, ...said };
}
