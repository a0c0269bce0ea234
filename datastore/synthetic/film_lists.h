// Where films lie and the tables beside them, in the layouts `mot` and `video`
// (docs/guides/datasets.md).
#pragma once

#include <filesystem>
#include <vector>

#include "datastore/synthetic/film_renderer.h"

namespace muster::datastore {

// The folder of its pictures, or its video file; relative to the world's root.
std::filesystem::path film_place(const WorldTraits& world, const FilmPlan& plan);

// mot: gt/gt.txt with somebody to pass over in every frame, det/det.txt with boxes a little off,
// and seqinfo.ini. video: NAME.boxes.csv. Throws SystemError.
void write_film_tables(const WorldTraits& world, uint64_t seed, const FilmPlan& plan,
                       const std::vector<WalkBox>& boxes, const std::filesystem::path& root);

// identities.csv: every track of every film.
void write_film_identities(const WorldTraits& world, const std::vector<FilmPlan>& films,
                           const std::filesystem::path& root);

}  // namespace muster::datastore
