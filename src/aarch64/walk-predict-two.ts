import { Access, type AccessList, Privilege } from '../access-list.ts';
import { HPFAR_NONE, type OutcomeList, StructuralFault } from '../outcome-list.ts';
import { accessRecordProblem, prepareOutcomes } from '../walk-columns.ts';
import { fetchedHigh } from './walk-predict.ts';
import { rangeOf } from './walk-stage.ts';
import type { TwoStageTranslation } from './walk-two-stages.ts';

/** Predicts accesses of EL1&0 under two stages; see `Walker.predict`. */
export function predictTwoStages(
  translation: TwoStageTranslation,
  accesses: AccessList,
  outcomes: OutcomeList,
): void {
  const { memoryTypes } = translation;
  const { ranges } = translation.first;
  const records = accesses.words;
  const hpfar = outcomes.ensureHpfar();
  const faultAddress = prepareOutcomes(outcomes, accesses.length);
  translation.forget();
  for (let i = 0, at = 0; i < accesses.length; i++, at += 4) {
    const low = records[at] as number;
    const high = records[at + 1] as number;
    const kind = records[at + 2] as number;
    const access = (kind & 0xff) as Access;
    const privilege = ((kind >>> 8) & 0xff) as Privilege;
    if (access > Access.Execute || privilege > Privilege.User) throw accessRecordProblem(accesses, i);

    const fault = translation.faultOf(low, high, access, privilege);
    outcomes.fault[i] = fault;
    if (fault === 0) {
      const type = translation.memoryTypeIndex;
      outcomes.physicalAddress[i] = translation.physicalAddress;
      outcomes.memoryType[i] = memoryTypes.types[type] as number;
      outcomes.known[i] = memoryTypes.known[type] as number;
    } else if (fault === StructuralFault.TableOutsideMemory) {
      outcomes.physicalAddress[i] = translation.physicalAddress;
    } else {
      if (translation.hpfar !== HPFAR_NONE) hpfar[i] = translation.hpfar;
      faultAddress[2 * i] = low;
      faultAddress[2 * i + 1] =
        access === Access.Execute ? fetchedHigh(rangeOf(ranges, high), ranges.length === 2, high) : high;
    }
  }
}
