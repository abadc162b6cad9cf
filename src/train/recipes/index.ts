import { books } from './books.ts';
import type { Recipe } from './recipe.ts';
import { tinyBytes } from './tiny-bytes.ts';
import { tinyText } from './tiny-text.ts';
import { toyRecipes } from './toys.ts';

/** Every recipe, by the order in which they are listed. */
export const recipes: readonly Recipe[] = [...toyRecipes, tinyBytes, tinyText, books];
