// How the HTML report looks: on screen, light and dark, and on paper.
#pragma once

namespace muster::monitoring {

// The content of its <style> element. No address, no font to fetch.
extern const char* const kReportStyle;

}  // namespace muster::monitoring
