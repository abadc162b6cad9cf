import { bigramBackcopy, bigramBackcopyDirichlet } from '../toys/backcopy.ts';
import { inContextRegression } from '../toys/in-context-regression.ts';
import { induction } from '../toys/induction.ts';
import { associativeRecall } from '../toys/recall.ts';
import type { Toy } from '../toys/toy.ts';
import { triggerAveraging } from '../toys/trigger-averaging.ts';
import type { ToyRecipe } from './recipe.ts';

function recipe(toy: ToyRecipe['toy'], bos: boolean): ToyRecipe {
  const { name, about }: Toy = toy({});
  return { kind: 'toy', name, about, bos, toy };
}

/** Every toy as a recipe, named as the toy. */
export const toyRecipes: readonly ToyRecipe[] = [
  recipe(triggerAveraging, true),
  recipe(bigramBackcopy, true),
  recipe(bigramBackcopyDirichlet, true),
  recipe(() => associativeRecall(), false),
  recipe(() => induction(), false),
  recipe(() => inContextRegression(), false),
];
